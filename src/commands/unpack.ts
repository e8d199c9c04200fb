import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { type BuildContext, buildUnchanged } from '../build.js';
import { decodeJsonBytes, encodeJsonBytes } from '../bundle/json-bytes.js';
import { openBundle } from '../bundle/read.js';
import { parsePlatform } from '../oci/platform.js';
import { parseSource, SOURCE_SYNTAX } from '../source/open.js';
import { DEFAULT_BLOCK_SIZE } from '../squashfs/options.js';
import { withTemporaryDirectory } from '../temporary-directory.js';
import type { Omission } from '../tree/node.js';
import { hostArchitecture, unpackBundle } from '../unpack.js';
import { NO_CHANGES } from './build-options.js';
import { sourceDateEpoch, workerCount } from './environment.js';
import { addOptions, type OptionRow } from './option.js';
import { openTerminal, type Terminal } from './terminal.js';
import { printable, printableBytes } from './text.js';

/** Every option of `rundle unpack`. */
export const UNPACK_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--platform <OS/ARCH[/VARIANT]>',
    text: "image to take from an index; default: linux and this machine's architecture",
    group: 'Options',
  },
  { flags: '-q, --quiet', text: 'print nothing but errors', group: 'Options' },
  { flags: '--json', text: 'print one JSON object, errors as JSON too', group: 'Options' },
];

const HELP = `
SOURCE is one of ${SOURCE_SYNTAX.join(', ')}; DIR must be missing or empty.
What the caller's rights do not allow (devices, owners, some extended attributes) is left out and listed.

Examples:
  rundle unpack app.run tree
  rundle unpack oci:my-image tree
`;

/** The fastest: the temporary bundle is read once and removed. */
const LEVEL = 1;

interface UnpackValues {
  platform?: string;
  quiet?: true;
  json?: true;
}

/** `rundle unpack SOURCE|FILE.run DIR`. */
export function unpackCommand(): Command {
  const command = new Command('unpack')
    .description('write the file tree of a bundle or an image to a directory')
    .argument('<SOURCE|FILE.run>', 'a bundle, or where the image is')
    .argument('<DIR>', 'where to write the tree')
    .addHelpText('after', HELP);
  return addOptions(command, UNPACK_OPTIONS).action(run);
}

async function run(from: string, directory: string, values: UnpackValues): Promise<void> {
  const terminal = openTerminal((values.quiet || values.json) ?? false);
  try {
    const leftOut = await withTemporaryDirectory(async (temporary) => {
      const { bundle, omissions } = await findBundle(from, temporary, values, terminal);
      terminal.progress.close();
      const failed = await unpackBundle(bundle, directory, temporary);
      return [
        ...omissions,
        ...failed.map(({ path, reason }) => ({ path, what: printableBytes(reason) })),
      ];
    });
    if (values.json) terminal.print(`${JSON.stringify(describe(directory, leftOut))}\n`);
    else if (!values.quiet) tell(directory, leftOut, terminal);
  } finally {
    terminal.progress.close();
  }
}

/** The bundle itself, or one made of the source for this purpose. */
async function findBundle(
  from: string,
  temporary: string,
  values: UnpackValues,
  terminal: Terminal,
): Promise<{ bundle: string; omissions: readonly Omission[] }> {
  const isFile = await stat(from).then(
    (status) => status.isFile(),
    () => false,
  );
  if (isFile || !(from === '-' || from.includes(':'))) {
    await openBundle(from);
    return { bundle: from, omissions: [] };
  }
  parseSource(from);
  const context: BuildContext = {
    progress: terminal.progress,
    workers: workerCount(process.env),
    sourceDateEpoch: sourceDateEpoch(process.env),
  };
  const bundle = join(temporary, 'image.run');
  const request = {
    source: from,
    output: bundle,
    force: false,
    platform: values.platform === undefined ? undefined : parsePlatform(values.platform),
    changes: NO_CHANGES,
    payload: { blockSize: DEFAULT_BLOCK_SIZE, level: LEVEL },
  };
  const { manifest } = await buildUnchanged(request, context, hostArchitecture());
  const omissions = manifest.omissions.map(({ path, what }) => ({
    path: decodeJsonBytes(path),
    what,
  }));
  return { bundle, omissions };
}

function tell(directory: string, leftOut: readonly Omission[], terminal: Terminal): void {
  for (const { path, what } of leftOut) {
    terminal.print(`left out: ${printableBytes(path)}: ${printable(what)}\n`);
  }
  terminal.print(`${printable(directory)}: unpacked\n`);
}

function describe(directory: string, leftOut: readonly Omission[]): Record<string, unknown> {
  return {
    schema: 1,
    directory,
    leftOut: leftOut.map(({ path, what }) => ({ path: encodeJsonBytes(path), what })),
  };
}
