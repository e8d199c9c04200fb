import { RundleError } from '../errors.js';
import { toBytes } from '../tree/byte-string.js';
import type { Device, Node, RegularFile } from '../tree/node.js';
import type { Listing } from './directory.js';
import { EXTENDED, MAX_U32, NONE, TYPE } from './format.js';
import type { FileLayout } from './layout.js';

/** What every inode holds beside its node. */
export interface InodeFacts {
  /** 1 to the number of inodes. */
  number: number;
  /** Directory entries that name it; for a directory 2 and its subdirectories. */
  links: number;
  /** Number of the set of extended attributes, or NONE. */
  xattrs: number;
  /** Indexes into the id table. */
  uid: number;
  gid: number;
}

/** An inode of a regular file. The short form is used wherever it can hold the file. */
export function encodeFile(node: RegularFile, facts: InodeFacts, layout: FileLayout): Buffer {
  const { size } = node;
  const { start, words, sparse, fragment, fragmentOffset } = layout;
  const extended =
    start > MAX_U32 || size > MAX_U32 || sparse > 0 || facts.links > 1 || facts.xattrs !== NONE;
  const length = extended ? 40 : 16;
  const inode = inodeOf(node, facts, extended, length + 4 * words.length);
  let at = 16;
  if (extended) {
    at = inode.writeBigUInt64LE(BigInt(start), at);
    at = inode.writeBigUInt64LE(BigInt(size), at);
    at = inode.writeBigUInt64LE(BigInt(sparse), at);
    at = inode.writeUInt32LE(facts.links, at);
    at = inode.writeUInt32LE(fragment, at);
    at = inode.writeUInt32LE(fragmentOffset, at);
    at = inode.writeUInt32LE(facts.xattrs, at);
  } else {
    at = inode.writeUInt32LE(start, at);
    at = inode.writeUInt32LE(fragment, at);
    at = inode.writeUInt32LE(fragmentOffset, at);
    at = inode.writeUInt32LE(size, at);
  }
  for (const word of words) at = inode.writeUInt32LE(word, at);
  return inode;
}

/** A directory's inode; `parent` is the number of the inode above. The long form carries the index. */
export function encodeDirectory(
  node: Node,
  facts: InodeFacts,
  listing: Listing,
  parent: number,
): Buffer {
  // Readers count the entries "." and "..", which are not stored, as three bytes.
  const size = listing.size + 3;
  const index = listing.index.slice(0, 0xffff);
  // A listing without index is short: its size fits into 16 bits.
  if (index.length === 0 && facts.xattrs === NONE) {
    const inode = inodeOf(node, facts, false, 16);
    inode.writeUInt32LE(listing.block, 16);
    inode.writeUInt32LE(facts.links, 20);
    inode.writeUInt16LE(size, 24);
    inode.writeUInt16LE(listing.offset, 26);
    inode.writeUInt32LE(parent, 28);
    return inode;
  }
  const names = index.map(({ name }) => toBytes(name));
  const indexSize = names.reduce((sum, name) => sum + 12 + name.length, 0);
  const inode = inodeOf(node, facts, true, 24 + indexSize);
  let at = 16;
  at = inode.writeUInt32LE(facts.links, at);
  at = inode.writeUInt32LE(size, at);
  at = inode.writeUInt32LE(listing.block, at);
  at = inode.writeUInt32LE(parent, at);
  at = inode.writeUInt16LE(index.length, at);
  at = inode.writeUInt16LE(listing.offset, at);
  at = inode.writeUInt32LE(facts.xattrs, at);
  for (const [i, { position, block }] of index.entries()) {
    const name = names[i] as Buffer;
    at = inode.writeUInt32LE(position, at);
    at = inode.writeUInt32LE(block, at);
    at = inode.writeUInt32LE(name.length - 1, at);
    at += name.copy(inode, at);
  }
  return inode;
}

/** The inode of a symbolic link, a device, a fifo or a socket. Throws E_UNSUPPORTED (see `encodeDevice`). */
export function encodeSpecial(
  node: Exclude<Node, { kind: 'directory' | 'file' }>,
  facts: InodeFacts,
  path: () => string,
): Buffer {
  const extended = facts.xattrs !== NONE;
  const parts: Buffer[] = [u32(facts.links)];
  if (node.kind === 'symlink') {
    const target = toBytes(node.target);
    parts.push(u32(target.length), target);
  } else if (node.kind === 'character-device' || node.kind === 'block-device') {
    parts.push(u32(encodeDevice(node, path)));
  }
  if (extended) parts.push(u32(facts.xattrs));
  return Buffer.concat([inodeOf(node, facts, extended, 0), ...parts]);
}

/**
 * A device number as Linux stores it in 32 bits: 12 for the major number, 20 for the minor one.
 * Throws E_UNSUPPORTED for larger ones, which no Linux system has.
 */
export function encodeDevice({ major, minor }: Device, path: () => string): number {
  const fits = (value: number, bits: number) =>
    Number.isInteger(value) && value >= 0 && value < 2 ** bits;
  if (!fits(major, 12) || !fits(minor, 20)) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `storing the device ${path()}: ${major}:${minor} is no device number of Linux`,
    );
  }
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Time as the 32 unsigned bits that there are. */
export function clampTime(seconds: number): number {
  return Math.min(Math.max(0, Math.floor(seconds) || 0), MAX_U32);
}

/** A zeroed inode with the 16 bytes all types begin with and `length` more. */
function inodeOf(node: Node, facts: InodeFacts, extended: boolean, length: number): Buffer {
  const inode = Buffer.alloc(16 + length);
  inode.writeUInt16LE(TYPE[node.kind] + (extended ? EXTENDED : 0), 0);
  inode.writeUInt16LE(node.mode & 0o7777, 2);
  inode.writeUInt16LE(facts.uid, 4);
  inode.writeUInt16LE(facts.gid, 6);
  inode.writeUInt32LE(clampTime(node.mtime), 8);
  inode.writeUInt32LE(facts.number, 12);
  return inode;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
