import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { indexArchive } from '#rundle/layer/index-archive.js';
import { ArchiveSpool } from '#rundle/layer/layer-spool.js';
import type { LayerContents } from '#rundle/tree/layer-contents.js';
import { tarArchive } from './tar-builder.js';

const PIECE = 50_000;
const names = ['a', 'b', 'usr/lib/x86_64-linux-gnu/libx.so.1', 'c', 'd', 'e', 'f', 'g'];
const contents = names.map((_, index) => Buffer.alloc(PIECE, index + 1));
const archive = tarArchive(names.map((name, index) => ({ name, content: contents[index] ?? '' })));

let top: string;
let count = 0;
let directory: string;
let spool: ArchiveSpool;
let places: number[];
beforeAll(async () => {
  top = await mkdtemp(join(tmpdir(), 'rundle-test-'));
});
afterAll(() => rm(top, { recursive: true, force: true }));
beforeEach(async () => {
  directory = await mkdtemp(join(top, 'spool-'));
  spool = new ArchiveSpool(directory);
});

/** A compressed layer that was indexed, kept on disk or not. */
async function layer(kept: boolean): Promise<{ contents: LayerContents; path: string }> {
  count += 1;
  const path = join(top, `layer-${count}.tar.gz`);
  // Stored, so that a change does not change the length.
  const bytes = gzipSync(archive, { level: 0 });
  writeFileSync(path, bytes);
  const file = { path, offset: 0, size: bytes.length };
  const job = { name: `layer ${count}`, file, ...(kept && { spool: spool.newPath() }) };
  const index = await indexArchive(job, () => undefined);
  places = index.entries.map(({ data }) => data[0]?.offset ?? 0);
  return { contents: spool.add(job.name, index), path };
}

const part = (index: number, length = PIECE) => {
  const from = places[index] ?? 0;
  return { from, to: from + length };
};

async function read(from: LayerContents, index: number): Promise<boolean> {
  const target = Buffer.alloc(PIECE);
  await spool.read(from, places[index] ?? 0, target);
  return target.equals(contents[index] as Buffer);
}

describe('the spool of layers', () => {
  test('has the parts that are asked for on disk, at their places, and nothing else', async () => {
    const one = await layer(true);
    const other = await layer(false);
    expect(spool.isEmpty).toBe(false);
    await spool.keepOnly(new Map([[other.contents, [part(1), part(6, 10)]]]));
    expect(readdirSync(directory)).toHaveLength(1);
    const { path } = other.contents;
    const bytes = readFileSync(path);
    expect(bytes.subarray(part(1).from, part(1).to).equals(contents[1] as Buffer)).toBe(true);
    expect(bytes.length).toBe(part(6, 10).to);
    expect(statSync(path).blocks * 512).toBeLessThan(PIECE + 3 * 4096);
    // The one that was kept is uncompressed again.
    await spool.keepOnly(new Map([[one.contents, [part(0)]]]));
    expect(readdirSync(directory)).toHaveLength(1);
    expect(readFileSync(one.contents.path).includes(contents[0] as Buffer)).toBe(true);
    await spool.keepOnly(new Map());
    expect(readdirSync(directory)).toEqual([]);
    expect(spool.isEmpty).toBe(true);
  });

  test('takes the room of a file that somebody still has open', async () => {
    const { contents: kept } = await layer(true);
    const handle = await open(kept.path, 'r');
    try {
      await spool.keepOnly(new Map());
      expect((await handle.stat()).blocks).toBe(0);
    } finally {
      await handle.close();
    }
  });

  test('reads from disk, and without it from memory, with the libraries at once', async () => {
    const onDisk = await layer(true);
    expect(await read(onDisk.contents, 3)).toBe(true);
    const { contents: away, path } = await layer(false);
    await spool.fetch(new Map([[away, [part(0), part(4)]]]));
    // From here on nobody can uncompress it any more.
    writeFileSync(path, '');
    expect(await Promise.all([0, 2, 4].map((index) => read(away, index)))).toEqual([
      true,
      true,
      true,
    ]);
    await expect(read(away, 1)).rejects.toMatchObject({ code: 'E_SOURCE' });
    expect(readdirSync(directory)).toHaveLength(1);
  });

  test('uncompresses a layer to disk when it is asked for parts again and again', async () => {
    const { contents: away } = await layer(false);
    for (const index of [0, 1, 3, 4]) expect(await read(away, index)).toBe(true);
    expect(readdirSync(directory)).toEqual([]);
    for (const index of [5, 6, 7]) expect(await read(away, index)).toBe(true);
    expect(readdirSync(directory)).toHaveLength(1);
    expect(readFileSync(away.path).equals(archive)).toBe(true);
  });

  test('gives nothing of a layer that was changed since it was indexed', async () => {
    const { contents: away, path } = await layer(false);
    const changed = Buffer.from(archive);
    changed.fill(0xff, part(7).from, part(7).from + 1);
    writeFileSync(path, gzipSync(changed, { level: 0 }));
    const fault = {
      code: 'E_DIGEST',
      message: expect.stringMatching(/^reading layer \d+ again: /),
    };
    const parts = new Map([[away, [part(0)]]]);
    await expect(spool.keepOnly(parts)).rejects.toMatchObject(fault);
    await expect(spool.fetch(parts)).rejects.toMatchObject(fault);
    await expect(read(away, 0)).rejects.toMatchObject(fault);
  });
});
