import { isRundleError, RundleError } from '../errors.js';
import type { ImageConfig } from '../oci/config.js';
import { type ByteString, fromBytes, fromText, toBytes, toDisplay } from '../tree/byte-string.js';
import { readContent } from '../tree/content.js';
import {
  type Directory,
  type Metadata,
  memoryFile,
  type Omission,
  type RegularFile,
} from '../tree/node.js';
import { insert, locate, lookup } from '../tree/path.js';
import { applyConfigOverrides, type ConfigOverrides } from './config-overrides.js';
import { type CopySpecification, copyIntoTree } from './copy.js';
import { renderEnvironment, renderFstab, renderRc, usableVolumes } from './enroot-files.js';
import { addMountPoints, type MountPoint } from './mount-points.js';
import { type MountSpecification, mountPointKind, namesVariable } from './mount-specification.js';

/** Everything a build changes in an image. */
export interface Overrides extends ConfigOverrides {
  /** Replaces `/etc/rc`; the bundle then starts through it. */
  rc?: Uint8Array | undefined;
  copies: readonly CopySpecification[];
  mounts: readonly MountSpecification[];
  /** The image is started through an `/etc/rc` of its own; entrypoint, cmd and `rc` replace that. */
  throughRc?: boolean;
  /** True when the source of a mount is a file on this machine, so that its mount point is one. */
  isFile: (source: string) => boolean;
}

/** What the tree became. */
export interface OverriddenImage {
  config: ImageConfig;
  /** True when the program is started through `/etc/rc`. */
  startsThroughRc: boolean;
  omissions: Omission[];
}

/**
 * Applies overrides to an image's tree (in place) and config: copies, Enroot's three files, mount points. `time` is the
 * modification time of what is made here, `latest` the cap for that of copied files (seconds).
 *
 * Throws E_USAGE and E_SOURCE for overrides that cannot be done, E_FORMAT for an image in which they have no place.
 */
export async function applyOverrides(
  root: Directory,
  image: ImageConfig,
  overrides: Overrides,
  { time, latest }: { time: number; latest: number },
): Promise<OverriddenImage> {
  const config = applyConfigOverrides(image, overrides);
  for (const copy of overrides.copies) await copyIntoTree(root, copy, latest);
  const { usable: volumes, omissions: badVolumes } = usableVolumes(config.volumes);
  const { mounts } = overrides;
  const replaced = overrides.entrypoint !== undefined || overrides.cmd !== undefined;
  const ownRc = (overrides.throughRc ?? false) && !replaced && overrides.rc === undefined;
  const files = [
    ...(ownRc ? [] : rcFile(root, config, overrides.rc)),
    ...environmentFile(root, config),
    { path: 'etc/fstab', content: fromText(renderFstab(volumes, mounts)), mode: 0o644 },
  ];
  const omissions = [...badVolumes, ...renderEnvironment(config.env).omissions];
  for (const file of files) {
    try {
      await putFile(root, fromText(file.path), toBytes(file.content), file.mode, time);
    } catch (error) {
      // What the user asked for must be there; what only Enroot would read may be missing.
      const wanted = file.path === 'etc/rc' && overrides.rc !== undefined;
      if (wanted || !isRundleError(error, 'E_FORMAT')) throw error;
      omissions.push({ path: fromText(file.path), what: `Enroot's file: ${error.message}` });
    }
  }
  const places: MountPoint[] = [
    { path: config.workingDir, kind: 'directory' },
    ...volumes.map((path) => ({ path, kind: 'directory' as const })),
    ...mounts.flatMap((mount) => mountPointOf(mount, overrides.isFile)),
  ];
  return {
    config,
    startsThroughRc: overrides.rc !== undefined || ownRc,
    omissions: [...omissions, ...addMountPoints(root, places, time)],
  };
}

interface GeneratedFile {
  path: string;
  content: ByteString;
  mode: number;
}

/** An image that says nothing about its start keeps an `/etc/rc` of its own, as a tree from Enroot has. */
function rcFile(root: Directory, config: ImageConfig, given?: Uint8Array): GeneratedFile[] {
  const path = 'etc/rc';
  if (given !== undefined) return [{ path, content: fromBytes(given), mode: 0o755 }];
  const silent = config.entrypoint === undefined && config.cmd === undefined;
  return silent && has(root, path) ? [] : [{ path, content: renderRc(config), mode: 0o755 }];
}

/** Likewise for an image without environment. */
function environmentFile(root: Directory, config: ImageConfig): GeneratedFile[] {
  const path = 'etc/environment';
  if (config.env.length === 0 && has(root, path)) return [];
  return [{ path, content: fromText(renderEnvironment(config.env).text), mode: 0o644 }];
}

function mountPointOf(
  mount: MountSpecification,
  isFile: (source: string) => boolean,
): MountPoint[] {
  if (namesVariable(mount.destination) || mount.options.includes('x-detach')) return [];
  const kind = mountPointKind(mount) ?? (isFile(mount.source) ? 'file' : 'directory');
  return [{ path: mount.destination, kind }];
}

/**
 * Replaces what the image has under that name, a link too: what it leads to may be shared with another file. What is just
 * the same stays: in a tree from a bundle its place in the payload does, too.
 */
async function putFile(
  root: Directory,
  path: ByteString,
  content: Uint8Array,
  mode: number,
  time: number,
): Promise<void> {
  const known = locate(root, path)?.node;
  if (known?.kind === 'directory') {
    throw new RundleError(
      'E_FORMAT',
      `writing /${toDisplay(path)} into the image: a directory is there`,
    );
  }
  const metadata = { mode, uid: 0, gid: 0, mtime: time };
  if (known?.kind === 'file' && (await isSame(known, content, metadata))) return;
  insert(root, path, memoryFile(content, metadata));
}

async function isSame(
  file: RegularFile,
  content: Uint8Array,
  { mode, uid, gid, mtime }: Metadata,
): Promise<boolean> {
  if (file.mode !== mode || file.uid !== uid || file.gid !== gid) return false;
  if (file.mtime !== mtime || file.xattrs !== undefined) return false;
  if (file.size !== content.length) return false;
  return (await readContent(file, 0, file.size)).equals(content);
}

/** Also when it cannot be told, because something odd stands in the way. */
function has(root: Directory, path: string): boolean {
  try {
    return lookup(root, fromText(path)) !== undefined;
  } catch {
    return true;
  }
}
