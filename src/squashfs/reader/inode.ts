import { RundleError } from '../../errors.js';
import { type ByteString, fromBytes } from '../../tree/byte-string.js';
import { EXTENDED, NONE, TYPE } from '../format.js';
import type { Cursor } from './metadata.js';

/** Linux cannot have longer link targets (PATH_MAX without its NUL). */
const MAX_TARGET = 4095;

/** An inode as it is stored; ids and attributes are still numbers of tables. */
export type RawInode = RawAttributes & RawContent;

export interface RawAttributes {
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  /** Number of its set of extended attributes, or NONE. */
  xattrs: number;
}

export type RawContent =
  | { kind: 'directory'; block: number; offset: number; size: number }
  | RawFile
  | { kind: 'symlink'; target: ByteString }
  | { kind: 'character-device' | 'block-device'; major: number; minor: number }
  | { kind: 'fifo' | 'socket' };

/** The list of block sizes follows where the cursor stands. */
export interface RawFile {
  kind: 'file';
  start: number;
  size: number;
  /** Number of the fragment, or NONE. */
  fragment: number;
  fragmentOffset: number;
}

const KINDS = new Map(
  Object.entries(TYPE).map(([kind, type]) => [type as number, kind as keyof typeof TYPE]),
);

/** Reads the inode at the cursor, which for a file then stands at its block list. Throws E_FORMAT. */
export function readInode(cursor: Cursor): RawInode {
  const head = cursor.bytes(16);
  const type = head.readUInt16LE(0);
  const extended = type > EXTENDED;
  const kind = KINDS.get(extended ? type - EXTENDED : type);
  if (kind === undefined) throw new RundleError('E_FORMAT', `its inode has the type ${type}`);
  const attributes = {
    mode: head.readUInt16LE(2) & 0o7777,
    uid: head.readUInt16LE(4),
    gid: head.readUInt16LE(6),
    mtime: head.readUInt32LE(8),
    xattrs: NONE,
  };
  switch (kind) {
    case 'directory':
      return { ...attributes, ...readDirectory(cursor, extended) };
    case 'file':
      return { ...attributes, ...readFile(cursor, extended) };
    case 'symlink': {
      const target = readTarget(cursor);
      return { ...attributes, xattrs: readXattrs(cursor, extended), kind, target };
    }
    case 'fifo':
    case 'socket':
      cursor.bytes(4);
      return { ...attributes, xattrs: readXattrs(cursor, extended), kind };
    default: {
      const device = cursor.bytes(8).readUInt32LE(4);
      // As the kernel packs it: 12 bits of major number within 20 of minor number.
      const major = (device >>> 8) & 0xfff;
      const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
      return { ...attributes, xattrs: readXattrs(cursor, extended), kind, major, minor };
    }
  }
}

function readXattrs(cursor: Cursor, extended: boolean): number {
  return extended ? cursor.bytes(4).readUInt32LE() : NONE;
}

function readDirectory(cursor: Cursor, extended: boolean) {
  const kind = 'directory' as const;
  if (!extended) {
    const body = cursor.bytes(16);
    const [block, size] = [body.readUInt32LE(0), body.readUInt16LE(8)];
    return { kind, block, offset: body.readUInt16LE(10), size: listingSize(size) };
  }
  const body = cursor.bytes(24);
  return {
    kind,
    block: body.readUInt32LE(8),
    offset: body.readUInt16LE(18),
    size: listingSize(body.readUInt32LE(4)),
    xattrs: body.readUInt32LE(20),
  };
}

/** The stored size counts ".", ".." and one more byte, as if they were there. */
function listingSize(size: number): number {
  return Math.max(0, size - 3);
}

function readFile(cursor: Cursor, extended: boolean): RawFile & { xattrs: number } {
  const kind = 'file';
  if (!extended) {
    const body = cursor.bytes(16);
    return {
      kind,
      start: body.readUInt32LE(0),
      fragment: body.readUInt32LE(4),
      fragmentOffset: body.readUInt32LE(8),
      size: body.readUInt32LE(12),
      xattrs: NONE,
    };
  }
  const body = cursor.bytes(40);
  const [start, size] = [Number(body.readBigUInt64LE(0)), Number(body.readBigUInt64LE(8))];
  if (!Number.isSafeInteger(size)) {
    throw new RundleError('E_FORMAT', `its inode says that it has ${size} bytes`);
  }
  return {
    kind,
    start,
    size,
    fragment: body.readUInt32LE(28),
    fragmentOffset: body.readUInt32LE(32),
    xattrs: body.readUInt32LE(36),
  };
}

function readTarget(cursor: Cursor): ByteString {
  const length = cursor.bytes(8).readUInt32LE(4);
  if (length === 0 || length > MAX_TARGET) {
    throw new RundleError('E_FORMAT', `its link target has ${length} bytes`);
  }
  const target = fromBytes(cursor.bytes(length));
  if (target.includes('\0')) throw new RundleError('E_FORMAT', 'its link target holds a NUL');
  return target;
}
