import { resolve } from 'node:path';
import { type Architecture, architectureFromOci } from '../bundle/architecture.js';
import { decodeJsonBytes } from '../bundle/json-bytes.js';
import type { LaunchConfig } from '../bundle/launch-config.js';
import type { ImageManifest } from '../bundle/manifest.js';
import { type Bundle, openBundle } from '../bundle/read.js';
import { SECTION_KIND } from '../bundle/section.js';
import { RundleError } from '../errors.js';
import type { ImageConfig } from '../oci/config.js';
import { formatPlatform, hostPlatform, type Platform } from '../oci/platform.js';
import { carriedRequirements } from '../requirement/bundle-requirements.js';
import { parseMount } from '../rootfs/mount-specification.js';
import { readSquashfs } from '../squashfs/reader/reader.js';
import { type ByteString, fromText, toBytes, toDisplay } from '../tree/byte-string.js';
import type { Directory, Omission } from '../tree/node.js';
import { lookup } from '../tree/path.js';
import { digestOf } from './image-digest.js';
import { SharedWork } from './shared-work.js';
import type { LoadedSource } from './source.js';
import { parsePath, type SourceContext, type Transport } from './transport.js';

const OCI_NAMES: Readonly<Record<Architecture, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

/**
 * `run:FILE.run`: a bundle, for making another one of it. Its payload is compared with the digest that the bundle states; what does not
 * change is then copied as it is stored. The new bundle starts as this one does, and says what this one was made from.
 */
export const run: Transport = {
  name: 'run',
  syntax: 'run:FILE.run',
  parse: parsePath,
  async load({ location }, context) {
    const where = `reading run:${location}`;
    const shared = context.shared ?? new SharedWork();
    const bundle = await shared.once(`bundle ${location}`, () => openBundle(resolve(location)));
    const launch = chooseLaunch(bundle, context.platform, where);
    const payload = await shared.once(`payload ${launch.payload} of ${location}`, () =>
      readPayload(bundle, launch, context, where),
    );
    return describe(bundle, launch, treeOf(payload, launch, where), where);
  },
  async platforms({ location }) {
    const { launchConfigs } = await openBundle(resolve(location));
    return launchConfigs.map(({ architecture }) => ({
      os: 'linux',
      architecture: OCI_NAMES[architecture],
    }));
  },
};

/** The one for the platform asked for; without one the host's, or else the first. Throws E_PLATFORM. */
function chooseLaunch(
  { launchConfigs }: Bundle,
  platform: Platform | undefined,
  where: string,
): LaunchConfig {
  const wanted = architectureFromOci((platform ?? hostPlatform()).architecture);
  const launch = launchConfigs.find(({ architecture }) => architecture === wanted);
  if (launch !== undefined) return launch;
  const [first] = launchConfigs;
  if (platform === undefined && first !== undefined) return first;
  const known = launchConfigs.map(({ architecture }) => `linux/${OCI_NAMES[architecture]}`);
  throw new RundleError(
    'E_PLATFORM',
    `${where}: it is for ${known.join(' and ')}, not for ${formatPlatform(platform ?? hostPlatform())}`,
  );
}

/** Throws E_DIGEST when the payload is not what the bundle says, and as `readSquashfs`. */
async function readPayload(
  { path, sections }: Bundle,
  { payload }: LaunchConfig,
  context: SourceContext,
  where: string,
): Promise<Directory> {
  const section = sections.find(
    ({ kind, index }) => kind === SECTION_KIND.payload && index === payload,
  );
  if (section === undefined) throw new Error('a bundle that was opened has its payloads');
  const range = { path, offset: section.offset, size: section.size };
  const digest = await digestOf(range, context, where);
  if (digest !== section.sha256) {
    throw new RundleError(
      'E_DIGEST',
      `${where}: its payload has the digest sha256:${digest}, the bundle says sha256:${section.sha256}`,
      { hint: 'copy the file again, or build it again' },
    );
  }
  const { root } = await readSquashfs(range, true, where);
  return root;
}

/** The tree that is started, which may be one of several in the payload. */
function treeOf(payload: Directory, { root }: LaunchConfig, where: string): Directory {
  const tree = lookup(payload, root);
  if (tree?.kind === 'directory') return tree;
  throw new RundleError('E_FORMAT', `${where}: ${toDisplay(root)} of its payload is no directory`);
}

function describe(
  bundle: Bundle,
  launch: LaunchConfig,
  root: Directory,
  where: string,
): LoadedSource {
  const { manifest } = bundle;
  const { architecture } = launch;
  const image = manifest.platforms?.find(({ arch }) => arch === architecture) ?? manifest;
  const text = (bytes: ByteString) => textOf(bytes, where);
  const { blockSize, level } = manifest.payload;
  return {
    root,
    config: configOf(image, launch, where),
    provenance: image.provenance,
    omissions: omissionsOf(bundle, launch),
    start: {
      throughRc: launch.rc,
      mounts: launch.mounts.map((mount) => parseMount(text(mount))),
      mountHome: launch.mountHome,
      mountCwd: launch.mountCwd,
      ...(launch.target !== undefined && { target: text(launch.target) }),
      requirements: carriedRequirements(launch.require.map(text), image.requirements ?? [], where),
    },
    making: {
      ...(manifest.description !== undefined && { description: manifest.description }),
      overrides: manifest.overrides,
      blockSize,
      level,
    },
  };
}

function configOf(image: ImageManifest, launch: LaunchConfig, where: string): ImageConfig {
  const words = (list: readonly ByteString[]) =>
    list.length === 0 ? undefined : list.map((word) => textOf(word, where));
  const { user, stopSignal, exposedPorts, volumes } = image.config;
  return {
    os: 'linux',
    architecture: OCI_NAMES[launch.architecture],
    ...(image.created !== undefined && { created: image.created }),
    entrypoint: words(launch.entrypoint),
    cmd: words(launch.cmd),
    env: words(launch.env) ?? [],
    workingDir: textOf(launch.workdir, where),
    user,
    labels: image.labels,
    volumes,
    exposedPorts,
    stopSignal,
  };
}

/** Those of this tree; with several in the payload their paths begin with its directory. */
function omissionsOf({ manifest }: Bundle, { root }: LaunchConfig): Omission[] {
  const prefix = root === '/' ? '' : `${root.slice(1)}/`;
  return manifest.omissions.flatMap(({ path, what }) => {
    const bytes = decodeJsonBytes(path);
    return bytes.startsWith(prefix)
      ? [{ path: bytes.slice(prefix.length) as ByteString, what }]
      : [];
  });
}

/** A config is text. Throws E_UNSUPPORTED for bytes that are none: they would become others. */
function textOf(bytes: ByteString, where: string): string {
  const text = toBytes(bytes).toString('utf8');
  if (fromText(text) === bytes) return text;
  throw new RundleError(
    'E_UNSUPPORTED',
    `${where}: its launch config holds "${toDisplay(bytes)}", which is not UTF-8`,
  );
}
