import { Command } from 'commander';
import { type CacheContents, type CachedFile, cacheContents, prune } from '../cache/contents.js';
import { cacheDirectory } from '../cache/location.js';
import { RundleError } from '../errors.js';
import { formatBytes } from '../progress/progress.js';
import { formatAge, parseAge, parseCacheSize } from './cache-quantities.js';
import { addOptions, type OptionRow } from './option.js';
import { openTerminal } from './terminal.js';
import { printable } from './text.js';

const GROUP = 'Options';
const JSON_ROW: OptionRow = {
  flags: '--json',
  text: 'print one JSON object, errors as JSON too',
  group: GROUP,
};

/** Every option of `rundle cache`. */
export const CACHE_COMMAND_OPTIONS: readonly OptionRow[] = [JSON_ROW];

/** Every option of `rundle cache prune`. */
export const PRUNE_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--older-than <AGE>',
    text: 'remove what was not used for so long, such as 30d, 12h or 2w',
    group: GROUP,
  },
  {
    flags: '--max-size <SIZE>',
    text: 'remove what was not used for the longest time, until the rest fits, such as 10G',
    group: GROUP,
  },
  { flags: '--all', text: 'remove everything', group: GROUP },
  JSON_ROW,
];

const HELP = `
The cache is the directory rundle in $XDG_CACHE_HOME, by default ~/.cache/rundle. It holds the blobs of images from
registries; whatever is removed is downloaded again when it is needed.

Examples:
  rundle cache
  rundle cache prune --older-than 30d --max-size 10G
`;

const PRUNE_HELP = `
Builds that are running are not disturbed: what they use, or are downloading, keeps its place on the disk until they are done.

Examples:
  rundle cache prune --older-than 30d
  rundle cache prune --max-size 10G
  rundle cache prune --all
`;

interface PruneValues {
  olderThan?: string;
  maxSize?: string;
  all?: true;
  json?: true;
}

/** `rundle cache` and `rundle cache prune`. */
export function cacheCommand(): Command {
  const command = new Command('cache')
    .description('show what is kept of images from registries, or remove it')
    .helpCommand(false)
    .addHelpText('after', HELP);
  const pruneCommand = new Command('prune')
    .helpOption('-h, --help', 'print this help')
    .description('remove what is kept of images from registries, by age and size')
    .addHelpText('after', PRUNE_HELP);
  command.addCommand(addOptions(pruneCommand, PRUNE_OPTIONS).action(runPrune));
  return addOptions(command, CACHE_COMMAND_OPTIONS).action(show);
}

function show(values: { json?: true }): void {
  const { print } = openTerminal(true);
  const directory = ownCache();
  const contents = cacheContents(directory);
  print(values.json ? json(directory, contents) : table(directory, contents));
}

async function runPrune(_: PruneValues, command: Command): Promise<void> {
  // `--json` is an option of both commands, and commander gives it to the outer one.
  const values: PruneValues = command.optsWithGlobals();
  const { print } = openTerminal(true);
  const { olderThan, maxSize, all } = values;
  if (olderThan === undefined && maxSize === undefined && !all) {
    throw new RundleError('E_USAGE', 'rundle cache prune: nothing says what to remove', {
      hint: 'give --older-than AGE, --max-size SIZE or --all',
    });
  }
  const directory = ownCache();
  const removed = await prune(directory, {
    olderThan: olderThan === undefined ? undefined : parseAge(olderThan),
    maxSize: maxSize === undefined ? undefined : parseCacheSize(maxSize),
    all,
  });
  const left = cacheContents(directory);
  const files = [...left.entries, ...left.partials];
  if (values.json) {
    const total = (list: readonly CachedFile[]) => ({ files: list.length, size: sizeOf(list) });
    const object = { schema: 1, directory, removed: total(removed), left: total(files) };
    print(`${JSON.stringify(object)}\n`);
    return;
  }
  const count = removed.length === 1 ? '1 file' : `${removed.length} files`;
  print(
    `${printable(directory)}: removed ${count} with ${formatBytes(sizeOf(removed))}, ${formatBytes(sizeOf(files))} left\n`,
  );
}

function ownCache(): string {
  const directory = cacheDirectory(process.env);
  if (directory !== undefined) return directory;
  throw new RundleError('E_USAGE', 'there is no cache without a home directory', {
    hint: 'set XDG_CACHE_HOME',
  });
}

function table(directory: string, { entries, partials }: CacheContents): string {
  const now = Date.now();
  const row = (file: CachedFile, remark = '') => {
    const columns = [file.digest, formatBytes(file.size).padStart(8), formatAge(now - file.used)];
    return `${[...columns, ...(remark === '' ? [] : [remark])].join('  ')}\n`;
  };
  const entryRows = entries.map((entry) => row(entry));
  const partialRows = partials.map((file) =>
    row(
      file,
      file.isWritten ? 'is being downloaded' : 'incomplete, the next download goes on from it',
    ),
  );
  const files = [...entries, ...partials];
  const count = files.length === 1 ? '1 file' : `${files.length} files`;
  const total = `${printable(directory)}: ${count}, ${formatBytes(sizeOf(files))}\n`;
  return [...entryRows, ...partialRows, total].join('');
}

function json(directory: string, { entries, partials }: CacheContents): string {
  const describe = ({ digest, size, used }: CachedFile) => ({
    digest,
    size,
    used: new Date(used).toISOString(),
  });
  const object = {
    schema: 1,
    directory,
    size: sizeOf([...entries, ...partials]),
    entries: entries.map(describe),
    partial: partials.map((file) => ({ ...describe(file), downloading: file.isWritten })),
  };
  return `${JSON.stringify(object)}\n`;
}

function sizeOf(files: readonly CachedFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
