import { RundleError } from '../errors.js';

/** Block sizes that SquashFS 4.0 allows, in bytes: powers of two in this range. */
export const MIN_BLOCK_SIZE = 4 * 1024;
export const MAX_BLOCK_SIZE = 1024 * 1024;

/** Chosen by measuring; README.md in this folder has the figures. */
export const DEFAULT_BLOCK_SIZE = 1024 * 1024;
export const DEFAULT_LEVEL = 6;

/**
 * zstd-codec's WebAssembly module has a heap of 16 MiB that cannot grow. The match finder's tables of level 10
 * and up for blocks of 1 MiB do not fit in; for 512 KiB and less every level does.
 */
const LARGE_BLOCK = 512 * 1024;
const MAX_LEVEL = 22;
const MAX_LEVEL_OF_LARGE_BLOCKS = 9;

/**
 * Refuses a block size (bytes) and zstd level that the format or the compressor cannot do.
 *
 * Throws E_USAGE when one of them is outside of its range, E_UNSUPPORTED when only their combination is impossible;
 * the hint names the nearest combination that works.
 */
export function assertPayloadOptions(blockSize: number, level: number): void {
  const powerOfTwo = Number.isInteger(blockSize) && Number.isInteger(Math.log2(blockSize));
  if (!powerOfTwo || blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE) {
    throw new RundleError('E_USAGE', `choosing the payload's block size: ${blockSize} bytes`, {
      hint: `use a power of two from 4K to 1M, such as ${nearestBlockSize(blockSize)}`,
    });
  }
  if (!Number.isInteger(level) || level < 1 || level > MAX_LEVEL) {
    throw new RundleError('E_USAGE', `choosing the payload's compression level: ${level}`, {
      hint: `use a whole number from 1 to ${MAX_LEVEL}`,
    });
  }
  if (blockSize > LARGE_BLOCK && level > MAX_LEVEL_OF_LARGE_BLOCKS) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `compressing the payload: level ${level} with blocks of ${blockSize} bytes needs more memory than the compressor has`,
      {
        hint: `use level ${MAX_LEVEL_OF_LARGE_BLOCKS} with this block size, or blocks of ${LARGE_BLOCK} bytes with this level`,
        details: { level: MAX_LEVEL_OF_LARGE_BLOCKS, blockSize: LARGE_BLOCK },
      },
    );
  }
}

function nearestBlockSize(blockSize: number): number {
  if (!(blockSize > MIN_BLOCK_SIZE)) return MIN_BLOCK_SIZE;
  return Math.min(MAX_BLOCK_SIZE, 2 ** Math.round(Math.log2(blockSize)));
}
