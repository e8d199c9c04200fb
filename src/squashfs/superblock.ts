import { MAX_U32, NO_TABLE } from './format.js';
import { rawMetadataBlock } from './metadata.js';

export const SUPERBLOCK_SIZE = 96;

const MAGIC = 0x73717368;
const ZSTD = 6;
const DEFAULT_ZSTD_LEVEL = 15;
const FLAG_DUPLICATES_REMOVED = 0x40;
const FLAG_EXPORTABLE = 0x80;
const FLAG_COMPRESSOR_OPTIONS = 0x400;

/** What the superblock says; positions in bytes from the payload's start. */
export interface Superblock {
  inodes: number;
  /** Seconds since 1970. */
  buildTime: number;
  blockSize: number;
  level: number;
  fragments: number;
  ids: number;
  /** Reference of the root's inode. */
  rootInode: number;
  bytesUsed: number;
  idTable: number;
  /** Undefined when no inode has extended attributes. */
  xattrTable: number | undefined;
  inodeTable: number;
  directoryTable: number;
  fragmentTable: number;
  exportTable: number;
}

/** The superblock's 96 bytes (SquashFS 4.0, zstd). */
export function encodeSuperblock(superblock: Superblock): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_SIZE);
  let flags = FLAG_DUPLICATES_REMOVED | FLAG_EXPORTABLE;
  if (compressorOptions(superblock.level).length > 0) flags |= FLAG_COMPRESSOR_OPTIONS;
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(superblock.inodes, 4);
  bytes.writeUInt32LE(Math.min(Math.max(0, superblock.buildTime), MAX_U32), 8);
  bytes.writeUInt32LE(superblock.blockSize, 12);
  bytes.writeUInt32LE(superblock.fragments, 16);
  bytes.writeUInt16LE(ZSTD, 20);
  bytes.writeUInt16LE(Math.log2(superblock.blockSize), 22);
  bytes.writeUInt16LE(flags, 24);
  bytes.writeUInt16LE(superblock.ids, 26);
  bytes.writeUInt16LE(4, 28);
  bytes.writeUInt16LE(0, 30);
  const positions = [
    superblock.rootInode,
    superblock.bytesUsed,
    superblock.idTable,
    superblock.xattrTable ?? NO_TABLE,
    superblock.inodeTable,
    superblock.directoryTable,
    superblock.fragmentTable,
    superblock.exportTable,
  ];
  for (const [i, position] of positions.entries()) {
    bytes.writeBigUInt64LE(BigInt(position), 32 + 8 * i);
  }
  return bytes;
}

/**
 * What follows the superblock: the level, in a metadata block, when it is not the one that squashfs-tools assumes.
 * Linux ignores it; other tools show it and use it when they append.
 */
export function compressorOptions(level: number): Buffer {
  if (level === DEFAULT_ZSTD_LEVEL) return Buffer.alloc(0);
  const options = Buffer.alloc(4);
  options.writeUInt32LE(level);
  return rawMetadataBlock(options);
}
