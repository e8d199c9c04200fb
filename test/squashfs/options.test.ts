import { describe, expect, test } from 'vitest';
import { isRundleError } from '#rundle/errors.js';
import {
  assertPayloadOptions,
  DEFAULT_BLOCK_SIZE,
  DEFAULT_LEVEL,
} from '#rundle/squashfs/options.js';
import { describeDisk, describeTree, inScratch, mounted, pack } from './support/judge.js';
import { directory, file, noise, text } from './support/trees.js';

describe('block size and level', () => {
  test('the defaults and the extremes are accepted', () => {
    assertPayloadOptions(DEFAULT_BLOCK_SIZE, DEFAULT_LEVEL);
    for (const [blockSize, level] of [
      [4096, 1],
      [4096, 22],
      [524_288, 22],
      [1_048_576, 9],
    ] as const) {
      assertPayloadOptions(blockSize, level);
    }
  });

  test.each([
    [1_048_576, 10],
    [1_048_576, 22],
  ])('blocks of %i bytes at level %i are refused with what works instead', (blockSize, level) => {
    try {
      assertPayloadOptions(blockSize, level);
      expect.unreachable();
    } catch (error) {
      if (!isRundleError(error, 'E_UNSUPPORTED')) throw error;
      expect(error.hint).toContain('level 9');
      expect(error.hint).toContain('524288');
    }
  });

  test.each([
    [2048, 3],
    [2_097_152, 3],
    [100_000, 3],
    [Number.NaN, 3],
    [4096.5, 3],
    [131_072, 0],
    [131_072, 23],
    [131_072, 2.5],
    [131_072, Number.NaN],
  ])('%d bytes at level %d are refused', (blockSize, level) => {
    expect(() => assertPayloadOptions(blockSize, level)).toThrowError(
      expect.objectContaining({ code: 'E_USAGE' }),
    );
  });

  test('the heaviest combinations fit into the memory of the compressor', () =>
    inScratch(async (scratch) => {
      const root = directory({
        text: file(text(2_500_000, 'heavy')),
        noise: file(noise(1_500_000, 'heavy')),
        small: file('small'),
      });
      for (const [blockSize, level] of [
        [524_288, 22],
        [1_048_576, 9],
      ] as const) {
        const payload = await pack(scratch, root, { blockSize, level, workers: 1 });
        await mounted(payload, (mount) => expect(describeDisk(mount)).toEqual(describeTree(root)));
      }
    }));
});
