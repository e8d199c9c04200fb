import type { ByteString } from '../tree/byte-string.js';

/**
 * One entry of a tar archive as the archive says it, all header formats put together: the name is not
 * yet checked, and contents are places in the file that holds the archive. It can be sent between threads.
 */
export interface TarEntry {
  /** As in the archive: may be absolute, hold `..`, `.` or a trailing slash. At most 4095 bytes. */
  name: ByteString;
  kind: TarKind;
  /** The 12 permission bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Whole seconds since 1970, fractions rounded down as the kernel does. */
  mtime: number;
  /** Target of a `hard-link` (a name in the archive) or `symlink` (any bytes); empty otherwise. */
  linkName: ByteString;
  /** Devices only. */
  major: number;
  minor: number;
  /** Length in bytes with holes; 0 for everything that is not a file. */
  size: number;
  /** Where the contents are, ascending by `at`; what no part covers is a hole. */
  data: DataPart[];
  xattrs?: Map<ByteString, Uint8Array>;
  /** Attributes in the archive that have no place in a file tree, for the list of omissions. */
  dropped?: string[];
}

export type TarKind =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hard-link'
  | 'character-device'
  | 'block-device'
  | 'fifo';

/** `length` bytes at position `at` of the entry's file lie at `offset` of the file with the archive. */
export interface DataPart {
  at: number;
  length: number;
  offset: number;
}

/** Longest name and link target: Linux' PATH_MAX without the NUL. */
export const MAX_NAME = 4095;
/** Longest part of a name between slashes: NAME_MAX of every Linux file system. */
export const MAX_COMPONENT = 255;
