import { RundleError } from '../errors.js';
import { type ByteString, toDisplay } from '../tree/byte-string.js';
import type { Directory, Node, Omission, RegularFile } from '../tree/node.js';
import { MAX_U32 } from './format.js';
import { IdTable } from './ids.js';
import { encodeDevice } from './inode.js';
import { XattrTable } from './xattrs.js';

/** Linux cannot have longer names (NAME_MAX) and link targets (PATH_MAX without its NUL). */
const MAX_NAME = 255;
const MAX_TARGET = 4095;

/** A directory, with its entries in byte order. */
export interface DirectoryRecord {
  node: Directory;
  /** From the root, without a leading slash; empty for the root. */
  path: ByteString;
  parent: DirectoryRecord | undefined;
  entries: [ByteString, Node][];
}

/** A regular file under the first of its names. */
export interface FileRecord {
  node: RegularFile;
  name: ByteString;
  directory: DirectoryRecord;
}

export interface InodeRecord {
  number: number;
  links: number;
  xattrs: number;
}

/** Everything about the tree that can be known without reading file contents. */
export interface Census {
  /** Every directory after all those below it; the root is the last. */
  directories: DirectoryRecord[];
  /** Each inode once; the numbers run from 1 in the order in which the inode table is written. */
  inodes: Map<Node, InodeRecord>;
  files: FileRecord[];
  ids: IdTable;
  xattrs: XattrTable;
  omissions: Omission[];
  /** Sum of the sizes of the files, in bytes. */
  contentBytes: number;
}

/**
 * Walks the tree, numbers its inodes and checks that SquashFS can hold it.
 *
 * All inodes of a directory get numbers one after the other, after those of the directories below: entries of one
 * directory then share headers, and reading a directory with attributes reads the inode table in one go.
 * Throws E_UNSUPPORTED naming the path.
 */
export function takeCensus(root: Directory): Census {
  const census: Census = {
    directories: directoriesBottomUp(root),
    inodes: new Map(),
    files: [],
    ids: new IdTable(),
    xattrs: new XattrTable(),
    omissions: [],
    contentBytes: 0,
  };
  for (const directory of census.directories) {
    for (const [name, node] of directory.entries) {
      const known = census.inodes.get(node);
      if (known === undefined) {
        addInode(census, node, directory, name);
      } else {
        known.links += 1;
      }
    }
  }
  addInode(census, root, census.directories.at(-1) as DirectoryRecord, '' as ByteString);
  return census;
}

/** The directories below `root` and itself, each after those below it. Throws E_UNSUPPORTED. */
function directoriesBottomUp(root: Directory): DirectoryRecord[] {
  const found: DirectoryRecord[] = [];
  const seen = new Set<Directory>();
  const pending: Omit<DirectoryRecord, 'entries'>[] = [
    { node: root, path: '' as ByteString, parent: undefined },
  ];
  for (;;) {
    const next = pending.pop();
    if (next === undefined) break;
    if (seen.has(next.node)) {
      throw refusal(next.path, 'a directory with two names');
    }
    seen.add(next.node);
    const entries = [...next.node.children].sort(([a], [b]) => (a < b ? -1 : 1));
    const record = { ...next, entries };
    found.push(record);
    for (const [name, node] of entries) {
      if (name.length === 0 || name.length > MAX_NAME) {
        throw refusal(pathOf(record, name), `a name of ${name.length} bytes`);
      }
      if (node.kind !== 'directory') continue;
      pending.push({ node, path: pathOf(record, name), parent: record });
    }
  }
  return found.reverse();
}

function addInode(census: Census, node: Node, directory: DirectoryRecord, name: ByteString): void {
  const display = () => displayPath(directory, name);
  const omit = (what: string) => census.omissions.push({ path: pathOf(directory, name), what });
  census.ids.add(node.uid, display);
  census.ids.add(node.gid, display);
  if (node.mtime < 0) omit('mtime before 1970');
  if (node.mtime > MAX_U32) omit('mtime after 2106');
  const subdirectories = node.kind === 'directory' ? countDirectories(node) : 0;
  census.inodes.set(node, {
    number: census.inodes.size + 1,
    links: node.kind === 'directory' ? 2 + subdirectories : 1,
    xattrs: census.xattrs.add(node.xattrs, omit),
  });
  switch (node.kind) {
    case 'file':
      census.files.push({ node, name, directory });
      census.contentBytes += node.size;
      break;
    case 'symlink':
      if (node.target.length > MAX_TARGET) {
        throw refusal(pathOf(directory, name), `a link target of ${node.target.length} bytes`);
      }
      break;
    case 'block-device':
    case 'character-device':
      encodeDevice(node, display);
      break;
  }
}

function countDirectories({ children }: Directory): number {
  let count = 0;
  for (const child of children.values()) if (child.kind === 'directory') count += 1;
  return count;
}

/** The path of a directory's entry as messages show it. */
export function displayPath(directory: DirectoryRecord, name: ByteString): string {
  return `/${toDisplay(pathOf(directory, name))}`;
}

function pathOf(directory: DirectoryRecord, name: ByteString): ByteString {
  return (directory.path === '' ? name : `${directory.path}/${name}`) as ByteString;
}

function refusal(path: ByteString, what: string): RundleError {
  return new RundleError('E_UNSUPPORTED', `storing /${toDisplay(path)}: ${what} cannot be stored`);
}
