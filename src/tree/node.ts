import type { Compressor } from '../decoder/decode.js';
import type { ByteString } from './byte-string.js';
import type { LayerContents } from './layer-contents.js';

/**
 * The file tree that layers are merged into and payloads are written from. It holds metadata and,
 * for each regular file, where its bytes are; contents stay on disk until a packing worker reads them.
 *
 * Hard links are one Node object that stands in several directories (or under several names).
 */
export interface Metadata {
  /** The 12 permission bits: setuid, setgid, sticky, rwxrwxrwx. */
  mode: number;
  uid: number;
  gid: number;
  /** Whole seconds since 1970; may be negative or beyond 2^32, the payload writer clamps. */
  mtime: number;
  /** Full attribute name ("user.x", "security.capability") to value; absent when there are none. */
  xattrs?: ReadonlyMap<ByteString, Uint8Array>;
}

export interface Directory extends Metadata {
  kind: 'directory';
  /** Entry name (1 to 255 bytes, no '/' and no NUL, never "." or "..") to node. */
  children: Map<ByteString, Node>;
}

export interface RegularFile extends Metadata {
  kind: 'file';
  /** Length in bytes. */
  size: number;
  /** Where the bytes are, ascending by `at`, not overlapping; what no extent covers is a hole (zeros). */
  extents: readonly Extent[];
}

export interface SymbolicLink extends Metadata {
  kind: 'symlink';
  target: ByteString;
}

export interface Device extends Metadata {
  kind: 'character-device' | 'block-device';
  major: number;
  minor: number;
}

export interface SpecialFile extends Metadata {
  kind: 'fifo' | 'socket';
}

export type Node = Directory | RegularFile | SymbolicLink | Device | SpecialFile;

/** `length` bytes of a file at position `at`, taken from `data` at `offset`. */
export interface Extent {
  at: number;
  length: number;
  data: ByteSource;
  offset: number;
}

/** Where bytes can be read by any thread: a file on disk, a small buffer for generated files, or a block of an image; and those of a layer when its spool has them. */
export type ByteSource =
  | { kind: 'file'; path: string | Uint8Array }
  | { kind: 'layer'; layer: LayerContents }
  | { kind: 'memory'; bytes: Uint8Array }
  | StoredBlock;

/** A block of a SquashFS image, which is decoded as a whole: its bytes are those that it decodes to. */
export interface StoredBlock {
  kind: 'block';
  image: BlockImage;
  /** Where it is stored, in bytes from the start of the image's file, and how many bytes it takes there. */
  position: number;
  stored: number;
  /** Stored as it is. */
  raw: boolean;
  /** A fragment block, which the ends of several files share. */
  shared: boolean;
  /** Bytes that it decodes to, where the image tells; otherwise at most a block of the image. */
  size: number | undefined;
}

/** What all blocks of a SquashFS image have in common. */
export interface BlockImage {
  /** The file that holds the image. */
  path: string;
  compressor: Compressor;
  /** Bytes of a decoded block at most. */
  blockSize: number;
  /** The digest of the whole image was compared with what its maker stated: its blocks need not be decoded to be believed. */
  verified: boolean;
  /** Equal contents stand in it once, so that different places have different contents. */
  deduplicated: boolean;
}

/** An empty directory with the attributes of a parent that no layer lists: 0755, 0:0, mtime 0. */
export function emptyDirectory(): Directory {
  return { kind: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: 0, children: new Map() };
}

/** A regular file held in memory. */
export function memoryFile(bytes: Uint8Array, metadata: Metadata): RegularFile {
  const extents =
    bytes.length === 0
      ? []
      : [{ at: 0, length: bytes.length, data: { kind: 'memory' as const, bytes }, offset: 0 }];
  return { kind: 'file', ...metadata, size: bytes.length, extents };
}

/** Something an image has that the result cannot hold: listed in the manifest and by `inspect`. */
export interface Omission {
  /** Path from the root, without a leading slash. */
  path: ByteString;
  /** What was left out or clamped, for people: "POSIX ACL", "mtime before 1970". */
  what: string;
}
