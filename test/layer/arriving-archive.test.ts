import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Arrival } from '#rundle/blob/arrival.js';
import type { FileRange } from '#rundle/blob/file-range.js';
import { indexArchives } from '#rundle/layer/index-archives.js';
import type { ComingJob, ReadyBlock } from '#rundle/layer/index-job.js';
import type { Digest } from '#rundle/oci/digest.js';
import { tarArchive } from './tar-builder.js';

const MIB = 1024 * 1024;
const content = randomBytes(5 * MIB);
const archive = tarArchive([
  { name: 'first', content },
  { name: 'second', content: 'small' },
]);
const stored = gzipSync(archive, { level: 1 });
const digest = `sha256:${createHash('sha256').update(stored).digest('hex')}` as Digest;
const size = stored.length;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rundle-test-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** A download that the test makes go on. */
function download(name = 'layer') {
  const partial = join(directory, `${name}.partial`);
  const path = join(directory, name);
  const arrival = new Arrival();
  writeFileSync(partial, '');
  let complete: (file: FileRange) => void = () => undefined;
  let fail: (error: Error) => void = () => undefined;
  const file = new Promise<FileRange>((resolve, reject) => {
    complete = resolve;
    fail = reject;
  });
  let there = 0;
  const spool = join(directory, `${name}.tar`);
  return {
    arrival,
    job: { name, file, arrival, digest, size, spool, blockSize: MIB } satisfies ComingJob,
    spool,
    begin: () => arrival.begin(partial, size),
    get(bytes: Buffer) {
      appendFileSync(partial, bytes);
      there += bytes.length;
      arrival.advance(there);
    },
    restart() {
      writeFileSync(partial, '');
      there = 0;
      arrival.advance(0);
    },
    end(size = stored.length) {
      renameSync(partial, path);
      complete({ path, offset: 0, size });
      return path;
    },
    fail,
  };
}

/** Starts to index, and gives what is told of blocks as it comes. */
function index(jobs: readonly ComingJob[]) {
  const blocks: ReadyBlock[] = [];
  let onBlock: () => void = () => undefined;
  const result = indexArchives(
    jobs,
    () => undefined,
    (block) => {
      blocks.push(block);
      onBlock();
    },
  );
  result.catch(() => undefined);
  const block = () =>
    new Promise<void>((resolve) => {
      if (blocks.length > 0) resolve();
      onBlock = resolve;
    });
  return { blocks, block, result };
}

test('an archive is read while it comes, as if it had been there', async () => {
  const coming = download();
  const { block, blocks, result } = index([coming.job]);
  coming.begin();
  coming.get(stored.subarray(0, 3 * MIB));
  await block();
  expect(blocks[0]).toMatchObject({ path: coming.spool, length: MIB });
  coming.get(stored.subarray(3 * MIB));
  const path = coming.end();
  const [followed] = await result;
  expect(followed?.file).toEqual({ path, offset: 0, size });
  const [plain] = await indexArchives([
    { name: 'x', file: { path, offset: 0, size }, digest, spool: join(directory, 'other') },
  ]);
  expect(followed).toEqual({ ...plain, path: coming.spool });
});

test('an archive that begins anew is read when it is complete, and nothing of what came before counts', async () => {
  const coming = download();
  const { block, blocks, result } = index([coming.job]);
  coming.begin();
  const wrong = gzipSync(tarArchive([{ name: 'first', content: randomBytes(5 * MIB) }]));
  coming.get(wrong.subarray(0, 3 * MIB));
  await block();
  const early = blocks.length;
  coming.restart();
  coming.get(stored);
  coming.end();
  const [followed] = await result;
  expect(followed?.entries.map((entry) => entry.size)).toEqual([content.length, 5]);
  expect(followed?.path).not.toBe(coming.spool);
  expect(blocks.slice(0, early).every(({ path }) => path === coming.spool)).toBe(true);
  expect(blocks.slice(early).some(({ path }) => path === followed?.path)).toBe(true);
  expect(existsSync(coming.spool)).toBe(false);
});

test('bytes that were wrong, and that nobody noticed on the way, are not used', async () => {
  const coming = download();
  const { block, result } = index([coming.job]);
  coming.begin();
  const wrong = Buffer.from(stored);
  wrong[3 * MIB] = ~(wrong[3 * MIB] ?? 0);
  coming.get(wrong);
  await block();
  // As if the writer had verified what it has on disk, and mended it.
  writeFileSync(join(directory, 'layer.partial'), stored);
  coming.end();
  const [followed] = await result;
  expect(followed?.entries).toHaveLength(2);
  expect(followed?.diffId).toBe(`sha256:${createHash('sha256').update(archive).digest('hex')}`);
});

test.each([
  ['while it comes', 3 * MIB],
  ['before anything of it has come', 0],
])('a download that fails %s is what is told', async (_, there) => {
  const coming = download();
  const { result } = index([coming.job]);
  coming.begin();
  coming.get(stored.subarray(0, there));
  coming.arrival.lose();
  coming.fail(new Error('the line is dead'));
  await expect(result).rejects.toThrow('the line is dead');
});

test('an archive that is not compressed is kept apart from the file that comes', async () => {
  const coming = download();
  const plain = {
    ...coming.job,
    size: archive.length,
    digest: `sha256:${createHash('sha256').update(archive).digest('hex')}` as Digest,
  };
  const { block, result } = index([plain]);
  coming.arrival.begin(join(directory, 'layer.partial'), archive.length);
  coming.get(archive);
  await block();
  coming.end(archive.length);
  const [followed] = await result;
  expect(followed).toMatchObject({ path: coming.spool, spooled: true });
});

test('with more archives than processors none is waited for before it is complete', async () => {
  const names = Array.from({ length: availableParallelism() + 1 }, (_, i) => `layer-${i}`);
  const downloads = names.map((name) => download(name));
  const { blocks, result } = index(downloads.map(({ job }) => job));
  for (const one of downloads) one.begin();
  // The last one is there first, and gets a thread although the others have begun.
  const last = downloads.at(-1);
  last?.get(stored);
  last?.end();
  await expect.poll(() => blocks.length, { timeout: 20_000 }).toBeGreaterThan(4);
  for (const one of downloads.slice(0, -1)) {
    one.get(stored);
    one.end();
  }
  expect(await result).toHaveLength(names.length);
});
