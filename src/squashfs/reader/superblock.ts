import type { Compressor } from '../../decoder/decode.js';
import { RundleError } from '../../errors.js';
import { NO_TABLE } from '../format.js';
import { MAX_BLOCK_SIZE, MIN_BLOCK_SIZE } from '../options.js';
import { SUPERBLOCK_SIZE } from '../superblock.js';
import type { ImageFile } from './image-file.js';

const MAGIC = 'hsqs';
const MAGIC_BIG_ENDIAN = 'sqsh';

/** Compressors by their number in the superblock. */
const COMPRESSORS: Readonly<Record<number, Compressor>> = {
  1: 'gzip',
  3: 'lzo',
  4: 'xz',
  5: 'lz4',
  6: 'zstd',
};
const LZMA = 2;

const FLAG_DUPLICATES_REMOVED = 0x40;

/** What an image says of itself; positions in bytes from its start. */
export interface ImageSuperblock {
  compressor: Compressor;
  blockSize: number;
  deduplicated: boolean;
  fragments: number;
  ids: number;
  rootInode: bigint;
  bytesUsed: number;
  idTable: number;
  inodeTable: number;
  directoryTable: number;
  /** Undefined when there are no attributes, or no fragments. */
  xattrTable: number | undefined;
  fragmentTable: number | undefined;
}

/**
 * Reads the superblock of a SquashFS 4.0 image. Throws E_FORMAT for what is none, is cut off or points beyond its end, E_UNSUPPORTED for
 * other versions, byte orders and compressors.
 */
export function readSuperblock(file: ImageFile): ImageSuperblock {
  const bytes = file.read(0, Math.min(SUPERBLOCK_SIZE, file.size), 'the superblock');
  const magic = bytes.toString('latin1', 0, 4);
  if (magic === MAGIC_BIG_ENDIAN) throw unsupported('a big-endian SquashFS image');
  if (magic !== MAGIC) throw damaged('it is no SquashFS image');
  if (bytes.length < SUPERBLOCK_SIZE) {
    throw damaged(`it is cut off after ${bytes.length} bytes, within the superblock`);
  }
  const version = `${bytes.readUInt16LE(28)}.${bytes.readUInt16LE(30)}`;
  if (version !== '4.0') throw unsupported(`a SquashFS image of version ${version}`);

  const blockSize = bytes.readUInt32LE(12);
  const sound = blockSize >= MIN_BLOCK_SIZE && blockSize <= MAX_BLOCK_SIZE;
  if (!sound || blockSize !== 2 ** bytes.readUInt16LE(22)) {
    throw damaged(`the superblock says that a block has ${blockSize} bytes`);
  }
  const bytesUsed = position(bytes, 40);
  if (bytesUsed > file.size) {
    throw damaged(`it is cut off: ${file.size} of ${bytesUsed} bytes are there`);
  }
  const within = (at: number, what: string): number => {
    const place = position(bytes, at);
    if (place >= SUPERBLOCK_SIZE && place <= bytesUsed) return place;
    throw damaged(`the ${what} would be at byte ${place} of ${bytesUsed}`);
  };
  const optional = (at: number, what: string) =>
    bytes.readBigUInt64LE(at) === NO_TABLE ? undefined : within(at, what);
  const fragments = bytes.readUInt32LE(16);
  const superblock: ImageSuperblock = {
    compressor: compressorOf(bytes.readUInt16LE(20)),
    blockSize,
    deduplicated: (bytes.readUInt16LE(24) & FLAG_DUPLICATES_REMOVED) !== 0,
    fragments,
    ids: bytes.readUInt16LE(26),
    rootInode: bytes.readBigUInt64LE(32),
    bytesUsed,
    idTable: within(48, 'id table'),
    xattrTable: optional(56, 'attribute table'),
    inodeTable: within(64, 'inode table'),
    directoryTable: within(72, 'directory table'),
    fragmentTable: fragments === 0 ? undefined : optional(80, 'fragment table'),
  };
  if (superblock.inodeTable > superblock.directoryTable) {
    throw damaged('the directory table stands before the inode table');
  }
  return superblock;
}

function compressorOf(number: number): Compressor {
  const compressor = COMPRESSORS[number];
  if (compressor !== undefined) return compressor;
  throw new RundleError(
    'E_UNSUPPORTED',
    number === LZMA
      ? 'its compressor is lzma, which no Linux kernel reads'
      : `its compressor has the unknown number ${number}`,
    { hint: 'make the image anew: unsquashfs it, then mksquashfs with -comp zstd' },
  );
}

/** A position beyond what a number holds exactly is beyond every file, too. */
function position(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function damaged(what: string): RundleError {
  return new RundleError('E_FORMAT', what);
}

function unsupported(what: string): RundleError {
  return new RundleError('E_UNSUPPORTED', `it is ${what}`, {
    hint: 'make the image anew with mksquashfs of squashfs-tools 4',
  });
}
