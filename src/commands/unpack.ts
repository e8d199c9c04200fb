import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { type BuildContext, buildUnchanged } from '../build.js';
import { type Architecture, architectureFromOci } from '../bundle/architecture.js';
import { decodeJsonBytes, encodeJsonBytes } from '../bundle/json-bytes.js';
import { openBundle } from '../bundle/read.js';
import { RundleError } from '../errors.js';
import { formatPlatform, type Platform, parsePlatform } from '../oci/platform.js';
import { isImagePath, SOURCE_SYNTAX } from '../source/open.js';
import { withTemporaryDirectory } from '../temporary-directory.js';
import type { Omission } from '../tree/node.js';
import { hostArchitecture, unpackBundle } from '../unpack.js';
import { NO_CHANGES } from './build-options.js';
import { CACHE_OPTIONS, type CacheValues, withCache } from './cache-options.js';
import { sourceDateEpoch, workerCount } from './environment.js';
import { addOptions, type OptionRow } from './option.js';
import { REGISTRY_OPTIONS, type RegistryValues, registryAccess } from './registry-access.js';
import { openTerminal, type Terminal } from './terminal.js';
import { printable, printableBytes } from './text.js';

/** Every option of `rundle unpack`. */
export const UNPACK_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--platform <OS/ARCH[/VARIANT]>',
    text: "image to take from an index, tree to take from a bundle; default: linux and this machine's architecture",
    group: 'Options',
  },
  { flags: '-q, --quiet', text: 'print nothing but errors', group: 'Options' },
  { flags: '--json', text: 'print one JSON object, errors as JSON too', group: 'Options' },
  ...REGISTRY_OPTIONS,
  ...CACHE_OPTIONS,
];

const HELP = `
SOURCE is one of ${SOURCE_SYNTAX.join(', ')}; DIR must be missing or empty.
What the caller's rights do not allow (devices, owners, some extended attributes) is left out and listed.

Examples:
  rundle unpack app.run tree
  rundle unpack oci:my-image tree
  rundle unpack docker://alpine tree
`;

/** The fastest: the temporary bundle is read once and removed. */
const LEVEL = 1;

interface UnpackValues extends RegistryValues, CacheValues {
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
      const found = await findBundle(from, temporary, values, terminal);
      const { bundle, omissions, architecture } = found;
      terminal.progress.close();
      const failed = await unpackBundle(bundle, directory, temporary, architecture);
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

interface FoundBundle {
  /** Path. */
  bundle: string;
  omissions: readonly Omission[];
  /** Whose tree to take; undefined for that of this machine. */
  architecture?: Architecture;
}

/** The bundle itself, or one made of the source for this purpose. */
async function findBundle(
  from: string,
  temporary: string,
  values: UnpackValues,
  terminal: Terminal,
): Promise<FoundBundle> {
  const isFile = await stat(from).then(
    (status) => status.isFile(),
    () => false,
  );
  const isImage = isImagePath(from);
  if ((isFile && !isImage) || !(from === '-' || from.includes(':') || isImage)) {
    const { launchConfigs } = await openBundle(from);
    const architectures = launchConfigs.map(({ architecture }) => architecture);
    if (values.platform === undefined) return { bundle: from, omissions: [] };
    const architecture = architectureIn(architectures, parsePlatform(values.platform), from);
    return { bundle: from, omissions: [], architecture };
  }
  const context: BuildContext = {
    progress: terminal.progress,
    workers: workerCount(process.env),
    sourceDateEpoch: sourceDateEpoch(process.env),
  };
  const registry = await registryAccess(from, values, process.env, process.stdin);
  const bundle = join(temporary, 'image.run');
  const request = {
    source: from,
    output: bundle,
    force: false,
    platforms: values.platform === undefined ? [] : [parsePlatform(values.platform)],
    changes: NO_CHANGES,
    payload: { level: LEVEL, reuse: true },
  };
  const { manifest } = await withCache(from, values, process.env, terminal, (cache) =>
    buildUnchanged(request, { ...context, registry: { ...registry, cache } }, hostArchitecture()),
  );
  const omissions = manifest.omissions.map(({ path, what }) => ({
    path: decodeJsonBytes(path),
    what,
  }));
  return { bundle, omissions };
}

/** Throws E_PLATFORM when the bundle does not start on the platform asked for. */
function architectureIn(
  architectures: readonly Architecture[],
  platform: Platform,
  bundle: string,
): Architecture {
  const wanted = platform.os === 'linux' ? architectureFromOci(platform.architecture) : undefined;
  const found = architectures.find((architecture) => architecture === wanted);
  if (found !== undefined) return found;
  throw new RundleError(
    'E_PLATFORM',
    `unpacking ${bundle}: it holds nothing for ${formatPlatform(platform)}, only for ${architectures.join(' and ')}`,
  );
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
