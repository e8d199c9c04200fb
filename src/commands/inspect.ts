import { Command } from 'commander';
import { type BundleFault, checkBundle } from '../bundle/check.js';
import { encodeJsonBytes } from '../bundle/json-bytes.js';
import { type Bundle, openBundle } from '../bundle/read.js';
import { RundleError } from '../errors.js';
import { inspectionText } from './inspection-text.js';
import { addOptions, type OptionRow } from './option.js';
import { describeSections } from './sections.js';
import { openTerminal, type Terminal } from './terminal.js';
import { printable } from './text.js';

/** Every option of `rundle inspect`. */
export const INSPECT_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--check',
    text: 'hash every section and verify every byte between them',
    group: 'Options',
  },
  { flags: '--json', text: 'print one JSON object, errors as JSON too', group: 'Options' },
];

const HELP = `
Examples:
  rundle inspect app.run
  rundle inspect --check app.run
  rundle inspect --json app.run | jq .manifest.provenance
`;

interface InspectValues {
  check?: true;
  json?: true;
}

/** `rundle inspect FILE.run`. */
export function inspectCommand(): Command {
  const command = new Command('inspect')
    .description('show what a bundle holds: config, sections, sizes, digests, what was left out')
    .argument('<FILE.run>', 'a bundle')
    .addHelpText('after', HELP);
  return addOptions(command, INSPECT_OPTIONS).action(run);
}

async function run(path: string, values: InspectValues): Promise<void> {
  const terminal = openTerminal(values.json ?? false);
  try {
    // A damaged bundle may not let itself be opened; what is wrong with it is then the whole answer.
    const faults = values.check ? await check(path, terminal) : undefined;
    if (faults !== undefined && faults.length > 0) throw damagedBundle(path, faults);
    const bundle = await openBundle(path);
    if (values.json) terminal.print(`${JSON.stringify(describe(bundle, faults))}\n`);
    else terminal.print(inspectionText(bundle, faults !== undefined));
  } finally {
    terminal.progress.close();
  }
}

async function check(path: string, terminal: Terminal): Promise<BundleFault[]> {
  const faults = await checkBundle(path, (done, total) =>
    terminal.progress.update('checking', done, total),
  );
  terminal.progress.close();
  return faults;
}

function damagedBundle(path: string, faults: readonly BundleFault[]): RundleError {
  const [first, ...others] = faults.map(({ part, what }) =>
    part === 'bundle' ? what : `${part}: ${what}`,
  );
  const more = others.length === 0 ? '' : `; ${others.join('; ')}`;
  return new RundleError('E_BUNDLE', `checking ${printable(path)}: ${first}${more}`, {
    hint: 'copy the file again, or build it again',
  });
}

function describe(
  bundle: Bundle,
  faults: readonly BundleFault[] | undefined,
): Record<string, unknown> {
  return {
    schema: 1,
    file: bundle.path,
    size: bundle.size,
    ...(faults !== undefined && { checked: true }),
    sections: describeSections(bundle.sections),
    start: bundle.launchConfigs.map(
      ({ architecture, root, id, rc, mountHome, mountCwd, require, inodes, size }) => ({
        architecture,
        root: encodeJsonBytes(root),
        id,
        rc,
        mountHome,
        mountCwd,
        require: require.map(encodeJsonBytes),
        inodes,
        contentBytes: size,
      }),
    ),
    manifest: bundle.manifest,
  };
}
