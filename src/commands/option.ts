import { type Command, Option } from 'commander';

/** One option of a command: the only place where it is written down. Help, parser and tables are made from it. */
export interface OptionRow {
  /** As commander writes it: `-o, --output <FILE>`. */
  flags: string;
  text: string;
  /** Heading in the help. */
  group: string;
  /** Given several times, the values form a list. */
  repeatable?: true;
}

/** Adds the options to `command`. Values stay the texts that were given; a repeatable option's is a list. */
export function addOptions(command: Command, rows: readonly OptionRow[]): Command {
  for (const row of rows) {
    const option = new Option(row.flags, row.text).helpGroup(`${row.group}:`);
    if (row.repeatable) {
      option.argParser((value: string, before: string[] | undefined) => [...(before ?? []), value]);
    }
    command.addOption(option);
  }
  return command;
}

/** The options as a Markdown table, for a README. */
export function optionTable(rows: readonly OptionRow[]): string {
  const lines = rows.map(({ flags, text, repeatable }) => {
    const cell = (content: string) => content.replaceAll('|', '\\|');
    return `| \`${cell(flags.replace(/[<>]/g, ''))}\` | ${cell(text)}${repeatable ? ' (repeatable)' : ''} |`;
  });
  return ['| option | meaning |', '|---|---|', ...lines, ''].join('\n');
}
