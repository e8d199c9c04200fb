import {
  accessSync,
  type BigIntStats,
  constants,
  lstatSync,
  readdirSync,
  readlinkSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import { emptyImageConfig } from '../oci/config.js';
import { hostPlatform } from '../oci/platform.js';
import { type ByteString, fromBytes, fromText, toBytes, toDisplay } from '../tree/byte-string.js';
import type { Directory, Metadata, Node, Omission } from '../tree/node.js';
import { parsePath, type Transport } from './transport.js';

/**
 * `dir:DIR`: a root file system in a directory. Symbolic links are kept, never followed; what is mounted on a directory in it
 * stays out, as /proc and /sys must, and the directory is taken as an empty one and listed. File contents are read when the payload is
 * written, so the directory must not change until then. Node cannot read extended attributes: they are not taken over.
 */
export const directory: Transport = {
  name: 'dir',
  syntax: 'dir:DIR',
  parse: parsePath,
  async load({ location }, context) {
    const { root, omissions } = walkDirectory(location);
    const config = emptyImageConfig(context.platform ?? hostPlatform());
    return { root, config, provenance: { transport: 'dir', diffIds: [] }, omissions };
  },
};

function walkDirectory(location: string): { root: Directory; omissions: Omission[] } {
  const top = fromText(resolve(location));
  const walk = new DirectoryWalk(location);
  // The path given may itself be a link to the directory, hence the dot.
  const status = walk.status(`${top}/.` as ByteString);
  if (!status.isDirectory()) {
    throw new RundleError('E_SOURCE', `reading dir:${location}: it is not a directory`);
  }
  const root: Directory = { kind: 'directory', ...metadataOf(status), children: new Map() };
  walk.fill(root, top, '' as ByteString, status.dev);
  return { root, omissions: walk.omissions };
}

class DirectoryWalk {
  readonly omissions: Omission[] = [];
  readonly #location: string;
  /** Files with several names, by device and inode. */
  readonly #linked = new Map<string, Node>();

  constructor(location: string) {
    this.#location = location;
  }

  /** Reads the entries of `disk`, which is `path` in the tree, into `directory`. In byte order, so that results do not depend on the disk. */
  fill(directory: Directory, disk: ByteString, path: ByteString, device: bigint): void {
    const names = this.#try(disk, () => readdirSync(toBytes(disk), { encoding: 'buffer' }));
    for (const name of names.map(fromBytes).sort()) {
      const childDisk = `${disk}/${name}` as ByteString;
      const childPath = (path === '' ? name : `${path}/${name}`) as ByteString;
      const status = this.status(childDisk);
      const key = `${status.dev}:${status.ino}`;
      const known = status.isDirectory() ? undefined : this.#linked.get(key);
      const node = known ?? this.#nodeOf(status, childDisk);
      directory.children.set(name, node);
      if (node.kind === 'directory') {
        if (status.dev === device) this.fill(node, childDisk, childPath, device);
        else
          this.omissions.push({ path: childPath, what: 'contents of a file system mounted there' });
      } else if (status.nlink > 1n) {
        this.#linked.set(key, node);
      }
    }
  }

  status(disk: ByteString): BigIntStats {
    return this.#try(disk, () => lstatSync(toBytes(disk), { bigint: true }));
  }

  #nodeOf(status: BigIntStats, disk: ByteString): Node {
    const metadata = metadataOf(status);
    if (status.isDirectory()) return { kind: 'directory', ...metadata, children: new Map() };
    if (status.isFIFO()) return { kind: 'fifo', ...metadata };
    if (status.isSocket()) return { kind: 'socket', ...metadata };
    if (status.isSymbolicLink()) {
      const target = this.#try(disk, () => readlinkSync(toBytes(disk), { encoding: 'buffer' }));
      return { kind: 'symlink', ...metadata, target: fromBytes(target) };
    }
    if (status.isFile()) {
      this.#try(disk, () => accessSync(toBytes(disk), constants.R_OK));
      const size = Number(status.size);
      const data = { kind: 'file' as const, path: toBytes(disk) };
      const extents = size === 0 ? [] : [{ at: 0, length: size, data, offset: 0 }];
      return { kind: 'file', ...metadata, size, extents };
    }
    const kind = status.isBlockDevice() ? 'block-device' : 'character-device';
    return { kind, ...metadata, ...deviceNumbers(status.rdev) };
  }

  #try<T>(disk: ByteString, call: () => T): T {
    try {
      return call();
    } catch (cause) {
      throw new RundleError(
        'E_SOURCE',
        `reading dir:${this.#location}: ${toDisplay(disk)}: ${systemReason(cause)}`,
        { cause },
      );
    }
  }
}

function metadataOf(status: BigIntStats): Metadata {
  const second = 1_000_000_000n;
  const { mtimeNs } = status;
  // Towards the past also before 1970, as the kernel keeps seconds.
  const mtime = mtimeNs / second - (mtimeNs % second < 0n ? 1n : 0n);
  return {
    mode: Number(status.mode & 0o7777n),
    uid: Number(status.uid),
    gid: Number(status.gid),
    mtime: Number(mtime),
  };
}

/** glibc's layout of a 64-bit dev_t, makedev(3). */
function deviceNumbers(device: bigint): { major: number; minor: number } {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}
