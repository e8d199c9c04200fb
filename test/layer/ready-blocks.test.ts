import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { indexArchive } from '#rundle/layer/index-archive.js';
import type { ReadyBlock } from '#rundle/layer/index-job.js';
import { tarArchive } from './tar-builder.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rundle-test-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const BLOCK = 100_000;
const archive = tarArchive([
  { name: 'small', content: Buffer.alloc(BLOCK - 1, 1) },
  { name: 'large', content: Buffer.alloc(2 * BLOCK + 5, 2) },
  { name: 'directory', type: '5' },
  { name: 'exact', content: Buffer.alloc(BLOCK, 3) },
]);

async function blocksOf(bytes: Buffer, before: number, spool: string | undefined) {
  const path = join(directory, 'layer');
  writeFileSync(path, Buffer.concat([Buffer.alloc(before), bytes]));
  const blocks: ReadyBlock[] = [];
  const index = await indexArchive(
    { name: 'x', file: { path, offset: before, size: bytes.length }, spool, blockSize: BLOCK },
    () => undefined,
    (block) => blocks.push(block),
  );
  return { blocks, index, path };
}

test.each([
  ['compressed', gzipSync(archive), 'spool-1'],
  ['plain, in another file', archive, undefined],
])('large files are told of in blocks: %s', async (_, bytes, name) => {
  const spool = name === undefined ? undefined : join(directory, name);
  const { blocks, index, path } = await blocksOf(bytes, 700, spool);
  const [, large, , exact] = index.entries.map(({ data }) => data[0]?.offset ?? 0);
  expect(blocks).toEqual(
    [
      { offset: large, length: BLOCK },
      { offset: (large ?? 0) + BLOCK, length: BLOCK },
      { offset: (large ?? 0) + 2 * BLOCK, length: 5 },
      { offset: exact, length: BLOCK },
    ].map((block) => ({ path: spool ?? path, ...block })),
  );
});

test('what is not kept cannot be read, so nobody is told of it', async () => {
  const { blocks, index } = await blocksOf(gzipSync(archive), 0, undefined);
  expect(index.path).toBe(undefined);
  expect(blocks).toEqual([]);
});
