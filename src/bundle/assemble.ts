import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { RundleError } from '../errors.js';
import type { ByteString } from '../tree/byte-string.js';
import type { Omission } from '../tree/node.js';
import { ARCHITECTURES, type Architecture, ELF_MACHINE } from './architecture.js';
import { encodeFooter, FOOTER_SIZE } from './footer.js';
import {
  BLOCK,
  headerLength,
  type LauncherPlace,
  launcherDigest,
  loadHeaderTemplate,
  renderHeader,
} from './header.js';
import { encodeJsonBytes } from './json-bytes.js';
import { bundleName, encodeLaunchConfig, type LaunchConfig, treeId } from './launch-config.js';
import { type Launcher, launcherPath, loadLauncher } from './launchers.js';
import { launcherLicenses } from './licenses.js';
import {
  encodeManifest,
  type ImageManifest,
  type License,
  listOmissions,
  type Manifest,
  type PlatformManifest,
} from './manifest.js';
import { isOutOfRoom, openOutput, outputError } from './output.js';
import { type AuxiliaryProgram, describePrograms, loadProot, programLicenses } from './programs.js';
import { SECTION_KIND, type Section } from './section.js';
import { encodeTable, tableSize } from './table.js';

/** The payload starts at a multiple of this, so that root can also mount it through a loop device. */
export const PAYLOAD_ALIGNMENT = 65_536;

/** What the writer of the payload tells about it. */
export interface WrittenPayload {
  /** Bytes, from the start that it was given. */
  size: number;
  /** SHA-256 of those bytes, 64 lower-case hex digits. */
  sha256: string;
  inodes: number;
  /** Bytes of the regular files. */
  contentBytes: number;
  /** Bytes of files that were stored only once although the tree has them again. */
  duplicateBytes: number;
  omissions: readonly Omission[];
}

/** How an image is started. */
export type LaunchSettings = Pick<
  LaunchConfig,
  | 'entrypoint'
  | 'cmd'
  | 'env'
  | 'workdir'
  | 'rc'
  | 'mounts'
  | 'target'
  | 'mountHome'
  | 'mountCwd'
  | 'require'
>;

/** What the manifest says of an image; the rest of `config` comes from the launch settings. */
export interface ImageDescription extends Omit<ImageManifest, 'config'> {
  config: Pick<ImageManifest['config'], 'user' | 'stopSignal' | 'exposedPorts' | 'volumes'>;
}

/** Where in the payload the tree of one platform is; `size` and `inodes` as in a launch config. */
export type PlatformTree = Pick<LaunchConfig, 'root' | 'size' | 'inodes'>;

/** An architecture that the bundle starts on, and what it starts there. */
export interface BundlePlatform {
  architecture: Architecture;
  launch: LaunchSettings;
  image: ImageDescription;
  /** All of the payload unless given. */
  tree?: PlatformTree;
}

/** What the manifest says of the bundle as a whole, beside what assembling finds out. */
export interface Description extends Pick<Manifest, 'rundle' | 'description' | 'overrides'> {
  payload: Pick<Manifest['payload'], 'blockSize' | 'level'>;
  /** What was left out before the payload was written. */
  omissions: readonly Omission[];
}

export interface AssembleRequest {
  /** Path of the bundle to write. */
  output: string;
  /** Replace an existing file. */
  force?: boolean;
  /** In any order, each architecture once: the bundle has a launcher for each of them and no other. */
  platforms: readonly BundlePlatform[];
  description: Description;
  /** Writes the payload to `output` from byte `start` on, nothing before it, and returns when all is written. */
  writePayload(output: FileHandle, start: number): Promise<WrittenPayload>;
  /** Where the launchers are; those of this installation unless given. */
  launcherFile?(architecture: Architecture): string;
  /** Where PRoot is, `ARCH/proot.zst`; that of this installation unless given. A bundle comes without what is not there. */
  auxiliaryDirectory?: string;
}

/** What was written. */
export interface BundleSummary {
  path: string;
  /** Bytes of the file. */
  size: number;
  sections: readonly Section[];
  manifest: Manifest;
  payload: WrittenPayload;
}

/**
 * Writes a bundle, in the order of stub/README.md; the header comes last because it states the size of the
 * file. The file appears complete, mode 0755, or not at all. The same request gives the same bytes.
 * Throws E_OUTPUT, E_LAUNCHER, E_TEMPLATE, E_FORMAT or E_UNSUPPORTED for what cannot be encoded, and whatever
 * `writePayload` throws.
 */
export async function assembleBundle(request: AssembleRequest): Promise<BundleSummary> {
  const platforms = ARCHITECTURES.flatMap((one) =>
    request.platforms.filter(({ architecture }) => architecture === one),
  );
  const architectures = platforms.map(({ architecture }) => architecture);
  if (architectures.length === 0 || new Set(architectures).size < architectures.length) {
    throw new RundleError(
      'E_PLATFORM',
      `writing ${request.output}: it has ${architectures.length === 0 ? 'no architecture' : 'an architecture twice'}`,
    );
  }
  const name = bundleName(basename(request.output));
  const template = await loadHeaderTemplate();
  const file = request.launcherFile ?? launcherPath;
  const launchers = await Promise.all(architectures.map((one) => loadLauncher(one, file(one))));
  const loaded = architectures.map((one) => loadProot(one, request.auxiliaryDirectory));
  const programs = (await Promise.all(loaded)).filter((program) => program !== undefined);
  const ownLicenses = await launcherLicenses(request.description.rundle);
  const licenses = [...ownLicenses, ...programLicenses(programs)];

  const output = await openOutput(request.output, request.force);
  try {
    const parts = { request, platforms, name, template, launchers, programs, licenses };
    const summary = await write(output.handle, parts);
    await output.publish();
    return summary;
  } catch (error) {
    throw isOutOfRoom(error) ? outputError(request.output, error) : error;
  } finally {
    await output.discard();
  }
}

interface Parts {
  request: AssembleRequest;
  platforms: readonly BundlePlatform[];
  name: ByteString;
  template: ByteString;
  launchers: readonly Launcher[];
  programs: readonly AuxiliaryProgram[];
  licenses: License[];
}

async function write(output: FileHandle, parts: Parts): Promise<BundleSummary> {
  const { request, platforms, name, template, launchers, programs } = parts;
  const architectures = launchers.map((launcher) => launcher.architecture);
  const sections: Section[] = [];
  let end = headerLength(template, architectures);
  const header = { offset: 0, size: end };

  const append = async (bytes: Buffer, section: Pick<Section, 'kind' | 'machine' | 'required'>) => {
    await writeAll(output, bytes, end);
    sections.push({ ...section, index: 0, offset: end, size: bytes.length, sha256: sha256(bytes) });
    end += bytes.length;
  };

  const places = new Map<Architecture, LauncherPlace>();
  for (const { architecture, bytes } of launchers) {
    end = align(end, BLOCK);
    const machine = ELF_MACHINE[architecture];
    const place = { offset: end, size: bytes.length, digest: launcherDigest(bytes) };
    await append(bytes, { kind: SECTION_KIND.launcher, machine, required: false });
    places.set(architecture, place);
  }
  for (const { architecture, frame } of programs) {
    end = align(end, BLOCK);
    const machine = ELF_MACHINE[architecture];
    await append(frame, { kind: SECTION_KIND.proot, machine, required: false });
  }

  end = align(end, PAYLOAD_ALIGNMENT);
  const payload = await request.writePayload(output, end);
  await checkWritten(output, request.output, end + payload.size);
  sections.push({
    kind: SECTION_KIND.payload,
    machine: 0,
    required: true,
    index: 0,
    offset: end,
    size: payload.size,
    sha256: payload.sha256,
  });
  end += payload.size;

  for (const platform of platforms) {
    const config = launchConfig(platform, name, payload);
    const machine = ELF_MACHINE[platform.architecture];
    await append(encodeLaunchConfig(config), {
      kind: SECTION_KIND.launchConfig,
      machine,
      required: true,
    });
  }
  const manifest = describe(parts, payload);
  await append(encodeManifest(manifest), {
    kind: SECTION_KIND.manifest,
    machine: 0,
    required: false,
  });

  const tableOffset = end;
  const fileSize = tableOffset + tableSize(sections.length + 1) + FOOTER_SIZE;
  const head = renderHeader(template, { fileSize, launchers: places }, header.size);
  sections.unshift({
    kind: SECTION_KIND.header,
    machine: 0,
    required: false,
    index: 0,
    ...header,
    sha256: sha256(head),
  });
  const table = encodeTable(sections);
  const place = { tableOffset, tableSize: table.length, fileSize };
  const footer = encodeFooter({ ...place, tableSha256: sha256(table) });
  await writeAll(output, Buffer.concat([table, footer]), tableOffset);
  await writeAll(output, head, 0);
  return { path: request.output, size: fileSize, sections, manifest, payload };
}

function launchConfig(
  { architecture, launch, tree }: BundlePlatform,
  name: ByteString,
  payload: WrittenPayload,
): LaunchConfig {
  const whole = { root: '/' as ByteString, size: payload.contentBytes, inodes: payload.inodes };
  const { root, size, inodes } = tree ?? whole;
  const id = treeId(payload.sha256, root);
  return { ...launch, architecture, payload: 0, root, id, size, inodes, name };
}

function describe(
  { request, platforms, name, launchers, programs, licenses }: Parts,
  payload: WrittenPayload,
): Manifest {
  const { payload: format, omissions, ...description } = request.description;
  const [first] = platforms;
  if (first === undefined) throw new Error('a bundle has a platform');
  return {
    schema: 1,
    name: encodeJsonBytes(name),
    architectures: platforms.map(({ architecture }) => architecture),
    ...description,
    ...describeImage(first),
    ...(platforms.length > 1 && { platforms: platforms.map(describePlatform) }),
    payload: {
      ...format,
      inodes: payload.inodes,
      contentBytes: payload.contentBytes,
      duplicateBytes: payload.duplicateBytes,
    },
    ...listOmissions([...omissions, ...payload.omissions]),
    launchers: launchers.map(({ architecture, bytes, sha256 }) => ({
      arch: architecture,
      size: bytes.length,
      sha256,
    })),
    ...describePrograms(programs),
    licenses,
  };
}

function describePlatform(platform: BundlePlatform): PlatformManifest {
  const { architecture, tree } = platform;
  return {
    arch: architecture,
    ...(tree !== undefined && {
      root: encodeJsonBytes(tree.root),
      inodes: tree.inodes,
      contentBytes: tree.size,
    }),
    ...describeImage(platform),
  };
}

function describeImage({ launch, image }: BundlePlatform): ImageManifest {
  const { config, ...description } = image;
  return {
    ...description,
    config: {
      entrypoint: launch.entrypoint.map(encodeJsonBytes),
      cmd: launch.cmd.map(encodeJsonBytes),
      env: launch.env.map(encodeJsonBytes),
      workdir: encodeJsonBytes(launch.workdir),
      ...config,
    },
  };
}

/** The payload's writer and the file must agree on where the payload ends, or offsets would be wrong. */
async function checkWritten(output: FileHandle, path: string, end: number): Promise<void> {
  const { size } = await output.stat();
  if (size === end) return;
  throw new RundleError(
    'E_OUTPUT',
    `writing ${path}: the file has ${size} bytes after the payload instead of ${end}`,
  );
}

/** FileHandle.write may write less than it is given. */
async function writeAll(output: FileHandle, bytes: Buffer, at: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await output.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

function align(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
