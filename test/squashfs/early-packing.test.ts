import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EarlyPacking } from '#rundle/squashfs/early-packing.js';
import type { RegularFile } from '#rundle/tree/node.js';
import { inScratch, pack } from './support/judge.js';
import { directory, noise, plain, text } from './support/trees.js';

const BLOCK = 65_536;
/** One thread: what it was given before is done when it answers. */
const setup = { blockSize: BLOCK, level: 3, workers: 1 };

function onDisk(path: string, size: number): RegularFile {
  const extents = [{ at: 0, length: size, data: { kind: 'file' as const, path }, offset: 0 }];
  return { kind: 'file', ...plain, size, extents };
}

test('blocks that were packed before stand in the payload, the same as others', () =>
  inScratch(async (scratch) => {
    const path = join(scratch, 'contents');
    const contents = Buffer.concat([
      text(BLOCK, 'a'),
      Buffer.alloc(BLOCK),
      noise(BLOCK, 'b'),
      text(1000, 'c'),
    ]);
    writeFileSync(path, contents);
    const root = directory({ file: onDisk(path, contents.length) });
    const usual = readFileSync((await pack(scratch, root, setup)).path);

    const early = new EarlyPacking(setup);
    try {
      for (let offset = 0; offset < contents.length; offset += BLOCK) {
        const length = Math.min(BLOCK, contents.length - offset);
        early.add({ path, offset, length });
        // There is room for another one as soon as it is done.
        await early.pool.digest([]);
      }
      writeFileSync(path, Buffer.alloc(contents.length, 'x'));
      const payload = readFileSync((await pack(scratch, root, { ...setup, early })).path);
      expect(payload.equals(usual)).toBe(true);
    } finally {
      await early.close();
    }
  }));

test('a block that cannot be read early is read when it is needed', () =>
  inScratch(async (scratch) => {
    const path = join(scratch, 'contents');
    const early = new EarlyPacking(setup);
    early.add({ path, offset: 0, length: BLOCK });
    await early.pool.digest([]);
    writeFileSync(path, text(BLOCK, 'a'));
    const root = directory({ file: onDisk(path, BLOCK) });
    const payload = readFileSync((await pack(scratch, root, { ...setup, early })).path);
    const usual = readFileSync((await pack(scratch, root, setup)).path);
    expect(payload.equals(usual)).toBe(true);
  }));

test('blocks that come at once are packed one after the other, until the payload is', () =>
  inScratch(async (scratch) => {
    const path = join(scratch, 'contents');
    const count = 20;
    writeFileSync(path, text(count * BLOCK, 'a'));
    const early = new EarlyPacking(setup);
    try {
      const { pool } = early;
      const lengths: number[] = [];
      const pack = pool.pack.bind(pool);
      pool.pack = (blocks) => {
        lengths.push(...blocks.map(({ length }) => length));
        return pack(blocks);
      };
      for (let at = 0; at < count; at += 1) {
        early.add({ path, offset: at * BLOCK, length: BLOCK });
      }
      expect(lengths.length).toBe(pool.capacity);
      await expect.poll(() => lengths.length, { timeout: 60_000 }).toBe(count);
      // They are done, too.
      await pool.digest([]);

      for (let at = 0; at < count; at += 1) early.add({ path, offset: at, length: BLOCK });
      // One that is needed now goes before those that only may be.
      await early.pack([{ length: 5, pieces: [], sparse: false, compress: true }]);
      expect(lengths.at(-1)).toBe(5);
      await pool.digest([]);
      expect(lengths.length).toBe(count + pool.capacity + 1);
    } finally {
      await early.close();
    }
  }));

test('memory for blocks that wait is bounded', () =>
  inScratch(async (scratch) => {
    const path = join(scratch, 'contents');
    const size = 1 << 20;
    writeFileSync(path, noise(size, 'n'));
    const early = new EarlyPacking({ blockSize: size, level: 1, workers: 1 });
    let packed = 0;
    const { pool } = early;
    const pack = pool.pack.bind(pool);
    pool.pack = (blocks) => {
      packed += 1;
      return pack(blocks);
    };
    for (let count = 0; count < 80; count += 1) {
      early.add({ path, offset: 0, length: size });
      await pool.digest([]);
    }
    await early.close();
    expect(packed).toBe(64);
  }));
