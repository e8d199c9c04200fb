import { constants } from 'node:fs';
import { access, lstat, readdir, readlink, stat } from 'node:fs/promises';
import { systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import { type ByteString, fromBytes, fromText, toDisplay } from '../tree/byte-string.js';
import type { Directory, Metadata, Node, RegularFile } from '../tree/node.js';
import { insert, locate, lookup, makeDirectories } from '../tree/path.js';

/** One `--copy SRC:DST`. */
export interface CopySpecification {
  /** A file or directory of this machine; relative to the current directory. */
  source: string;
  /** Absolute path in the image; with a trailing slash, the directory to copy into. */
  destination: string;
}

/**
 * Parses `SRC:DST`. The last `:/` separates, because DST is absolute and SRC may hold colons. Throws E_USAGE.
 */
export function parseCopy(text: string): CopySpecification {
  const colon = text.lastIndexOf(':/');
  if (colon <= 0 || text.includes('\0')) {
    throw new RundleError('E_USAGE', `--copy "${text}" is not SRC:DST with an absolute DST`, {
      hint: 'for example --copy run.sh:/opt/run.sh, or --copy data:/opt/ to copy into a directory',
    });
  }
  const destination = text.slice(colon + 1);
  if (destination.split('/').includes('..')) {
    throw new RundleError('E_USAGE', `--copy "${text}" has ".." in its destination`);
  }
  return { source: text.slice(0, colon), destination };
}

/**
 * Puts a file or directory of this machine into the tree: modes and modification times are kept, owners become 0:0, links
 * inside a directory stay links, hard links stay one file. A directory is merged into one that is there; a file
 * replaces a file, and goes into a directory of that name. `latest` caps modification times (seconds).
 *
 * Throws E_SOURCE when SRC cannot be read or holds a device or socket, E_FORMAT when DST leads through a file.
 */
export async function copyIntoTree(
  root: Directory,
  copy: CopySpecification,
  latest: number,
): Promise<void> {
  const source = fromText(copy.source);
  const destination = fromText(copy.destination);
  const name = baseName(fromText(copy.source.replace(/\/+$/, '')));
  const nameless = name === '' || name === '.' || name === '..';
  if (nameless && destination.endsWith('/')) {
    throw new RundleError(
      'E_USAGE',
      `copying ${toDisplay(source)}: it has no name of its own to use in ${copy.destination}`,
      { hint: 'write the name in the image too' },
    );
  }
  // The name given on the command line may be a link; what it leads to is meant.
  const node = await readNode({ latest, seen: new Map() }, source, true);
  const intoDirectory = node.kind !== 'directory' && isDirectory(lookup(root, destination));
  const into = destination.endsWith('/') || intoDirectory;
  if (into) makeDirectories(root, destination);
  place(root, into ? (`${destination}/${name}` as ByteString) : destination, node);
}

/** Puts `node` at `path`, merging a directory into one that is there. */
function place(root: Directory, path: ByteString, node: Node): void {
  if (node.kind === 'directory') {
    const there = lookup(root, path);
    if (isDirectory(there)) {
      merge(there, node);
      return;
    }
  }
  const location = locate(root, path);
  if (location?.node?.kind === 'directory') {
    throw new RundleError(
      'E_USAGE',
      `copying to ${toDisplay(path)} in the image: a directory is there, which a file cannot replace`,
    );
  }
  insert(root, path, node);
}

/** What is there keeps its attributes; below it, the copied tree wins. */
function merge(there: Directory, copied: Directory): void {
  for (const [name, child] of copied.children) {
    const old = there.children.get(name);
    if (isDirectory(old) && child.kind === 'directory') merge(old, child);
    else there.children.set(name, child);
  }
}

interface Scan {
  latest: number;
  /** Files with several names, by device and inode. */
  seen: Map<string, RegularFile>;
}

/** Reads the metadata of `path` and all below it; contents stay on disk until they are packed. */
async function readNode(scan: Scan, path: ByteString, follow: boolean): Promise<Node> {
  const raw = Buffer.from(path, 'latin1');
  try {
    const status = await (follow ? stat : lstat)(raw);
    const metadata: Metadata = {
      mode: status.mode & 0o7777,
      uid: 0,
      gid: 0,
      mtime: Math.min(Math.floor(status.mtimeMs / 1000), scan.latest),
    };
    if (status.isSymbolicLink()) {
      const target = fromBytes(await readlink(raw, { encoding: 'buffer' }));
      return { kind: 'symlink', ...metadata, target };
    }
    if (status.isDirectory()) return await readDirectory(scan, path, raw, metadata);
    if (status.isFIFO()) return { kind: 'fifo', ...metadata };
    if (!status.isFile()) throw new Error('it is a device or a socket');
    const identity = `${status.dev}:${status.ino}`;
    const seen = scan.seen.get(identity);
    if (seen !== undefined) return seen;
    await access(raw, constants.R_OK);
    const data = { kind: 'file' as const, path: raw };
    const { size } = status;
    const extents = size === 0 ? [] : [{ at: 0, length: size, data, offset: 0 }];
    const file: RegularFile = { kind: 'file', ...metadata, size, extents };
    if (status.nlink > 1) scan.seen.set(identity, file);
    return file;
  } catch (cause) {
    if (cause instanceof RundleError) throw cause;
    throw new RundleError(
      'E_SOURCE',
      `copying ${toDisplay(path)} into the image: ${systemReason(cause)}`,
      { cause },
    );
  }
}

async function readDirectory(
  scan: Scan,
  path: ByteString,
  raw: Buffer,
  metadata: Metadata,
): Promise<Directory> {
  const children = new Map<ByteString, Node>();
  const names = (await readdir(raw, { encoding: 'buffer' })).map(fromBytes).sort();
  for (const name of names) {
    const below = (path.endsWith('/') ? path + name : `${path}/${name}`) as ByteString;
    children.set(name, await readNode(scan, below, false));
  }
  return { kind: 'directory', ...metadata, children };
}

function isDirectory(node: Node | undefined): node is Directory {
  return node?.kind === 'directory';
}

function baseName(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1) as ByteString;
}
