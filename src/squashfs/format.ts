/** Numbers of the SquashFS 4.0 format (Linux: fs/squashfs/squashfs_fs.h) that more than one module needs. */

/** Uncompressed size of a metadata block, in bytes; the last of a table may be shorter. */
export const METADATA_SIZE = 8192;

/** "None" for a fragment, an xattr set (32 bits) and a table (64 bits). */
export const NONE = 0xffff_ffff;
export const NO_TABLE = 0xffff_ffff_ffff_ffffn;

/** Inode types as directory entries name them; the extended form of an inode is EXTENDED higher. */
export const TYPE = {
  directory: 1,
  file: 2,
  symlink: 3,
  'block-device': 4,
  'character-device': 5,
  fifo: 6,
  socket: 7,
} as const;
export const EXTENDED = 7;

/** Largest value of an unsigned 32-bit field. */
export const MAX_U32 = 0xffff_ffff;
