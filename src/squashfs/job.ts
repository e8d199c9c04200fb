import type { Compressor } from '../decoder/decode.js';
import type { ByteSource, Extent, StoredBlock } from '../tree/node.js';

/** Messages between the main thread and the packing workers. */

/** Where a worker can read. */
export type PieceSource = Exclude<ByteSource, { kind: 'layer' }>;

/** An extent of a file, and which file it belongs to: the number comes back when it cannot be read. */
export interface Piece extends Extent {
  data: PieceSource;
  file: number;
}

/** `length` bytes made of `pieces` (ascending, `at` counts from the first byte); the rest is zeros. */
export interface Content {
  length: number;
  pieces: readonly Piece[];
}

/** One block to be made: a data block, a fragment block or a metadata block. */
export interface BlockRequest extends Content {
  /** A block of zeros is left out (size word 0): data blocks only. */
  sparse: boolean;
  /** False stores the bytes as they are. */
  compress: boolean;
  /** A block of an image that has these bytes in the form wanted: it is copied. */
  copy?: StoredBlock;
}

export type Job =
  | { kind: 'pack'; blocks: readonly BlockRequest[] }
  | { kind: 'digest'; contents: readonly Content[] }
  /** Gets the decoders of images that contents are read from. */
  | { kind: 'prepare'; decoders: readonly Compressor[] };

/** Blocks in the order they were asked for. */
export interface PackedBlocks {
  /** Per block: stored size in bytes, with STORED_RAW set when it is not compressed; 0 for a hole. */
  words: readonly number[];
  /** The stored bytes of all blocks, one after the other. */
  data: Uint8Array;
}

/** Set in a block's size word when its bytes are stored uncompressed. */
export const STORED_RAW = 1 << 24;

/** The stored size in bytes that a size word tells. */
export function storedSize(word: number): number {
  return word & ~STORED_RAW;
}

/** Content that could not be read, or a compressor that failed (then there is no file). */
export interface Fault {
  file: number | undefined;
  reason: string;
  /** E_SOURCE: the bytes are not there any more; the others: they are there, but cannot be decoded. */
  code: 'E_SOURCE' | 'E_FORMAT' | 'E_UNSUPPORTED';
}

export type Reply =
  | ({ kind: 'packed' } & PackedBlocks)
  | { kind: 'digests'; digests: readonly string[] }
  | { kind: 'prepared' }
  | ({ kind: 'fault' } & Fault);

/** What a worker is told when it starts. */
export interface WorkerSetup {
  /** Bytes. */
  blockSize: number;
  level: number;
}
