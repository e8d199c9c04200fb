import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSquashfs } from '#rundle/squashfs/reader/reader.js';
import { fromText } from '#rundle/tree/byte-string.js';
import { readContent } from '#rundle/tree/content.js';
import type { Directory, Node, RegularFile, StoredBlock } from '#rundle/tree/node.js';
import { type Listing, listDirectory } from '../source/support/tree-listing.js';
import { listImage, makeDiskTree, mksquashfs } from './reader/support/images.js';
import { describeDisk, describeTree, pack, unsquashed } from './support/judge.js';
import { directory, file, noise, sampleTree, text } from './support/trees.js';

let scratch = '';
let source = '';
let expected: Listing = {};

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rundle-reuse-'));
  source = join(scratch, 'source');
  mkdirSync(source);
  makeDiskTree(source, 300);
  expected = listDirectory(source);
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** As the payload of a bundle is read. */
async function readVerified(path: string): Promise<Directory> {
  return (await readSquashfs({ path, offset: 0 }, true, `reading ${path}`)).root;
}

/** Several fragment blocks and data blocks with blocks of 16 KiB. */
function largerTree(): Directory {
  const small = Array.from({ length: 60 }, (_, i) => [`small-${i}`, file(text(2000, `s${i}`))]);
  return directory({
    sample: sampleTree(),
    small: directory(Object.fromEntries(small) as Record<string, Node>),
    large: file(text(100_000, 'large')),
    noise: file(noise(40_000, 'noise')),
    program: file(text(50_000, 'program')),
  });
}

function filesOf(root: Directory): RegularFile[] {
  return [...root.children.values()].flatMap((node) => {
    if (node.kind === 'directory') return filesOf(node);
    return node.kind === 'file' ? [node] : [];
  });
}

const options = { blockSize: 16_384, level: 3 };

describe('a payload made from a payload', () => {
  it('is the same when nothing changes', async () => {
    const tree = largerTree();
    const rawFirst = [tree.children.get(fromText('program')) as RegularFile];
    const first = await pack(scratch, tree, { ...options, rawFirst });
    const read = await readVerified(first.path);
    const again = [read.children.get(fromText('program')) as RegularFile];
    const second = await pack(scratch, read, { ...options, rawFirst: again });
    expect(second.sha256).toBe(first.sha256);
    expect(second).toMatchObject({ inodes: first.inodes, duplicateBytes: first.duplicateBytes });
  });

  it('keeps the level that its blocks have', async () => {
    const tree = largerTree();
    const first = await pack(scratch, tree, { ...options, level: 1 });
    const second = await pack(scratch, await readVerified(first.path), { ...options, level: 9 });
    const third = await pack(scratch, tree, { ...options, level: 9 });
    expect(second.size).toBeGreaterThan(third.size);
    await unsquashed(second, (root) => expect(describeDisk(root)).toEqual(describeTree(tree)));
  });

  it('is compressed anew when that is asked for', async () => {
    const tree = largerTree();
    const first = await pack(scratch, tree, { ...options, level: 1 });
    const read = await readVerified(first.path);
    const second = await pack(scratch, read, { ...options, level: 9, reuse: false });
    expect(await listImage(await readVerified(second.path))).toEqual(await listImage(tree));
    const third = await pack(scratch, tree, { ...options, level: 9 });
    expect(Math.abs(second.size - third.size)).toBeLessThan(third.size / 20);
  });

  it.each([4096, 131_072])('takes other blocks: %i bytes', async (blockSize) => {
    const tree = largerTree();
    const first = await pack(scratch, tree, options);
    const second = await pack(scratch, await readVerified(first.path), { level: 3, blockSize });
    await unsquashed(second, (root) => expect(describeDisk(root)).toEqual(describeTree(tree)));
  });

  it('holds nothing of what was taken away or replaced', async () => {
    const tree = largerTree();
    const small = tree.children.get(fromText('small')) as Directory;
    small.children.set(fromText('small-7-secret'), file('nobody may read this again'));
    const first = await pack(scratch, tree, options);
    const read = await readVerified(first.path);
    const readSmall = read.children.get(fromText('small')) as Directory;
    readSmall.children.delete(fromText('small-7-secret'));
    small.children.delete(fromText('small-7-secret'));
    const second = await pack(scratch, read, options);
    await unsquashed(second, (root) => expect(describeDisk(root)).toEqual(describeTree(tree)));

    expect(await contentsOfBlocks(await readVerified(first.path))).toContain('nobody may read');
    expect(await contentsOfBlocks(await readVerified(second.path))).not.toContain('nobody may');
    // Only what shared a block with it was compressed again.
    const stored = (root: Directory) => new Set(blocksOf(root).map((one) => one.stored));
    const kept = [...stored(await readVerified(second.path))].filter((size) =>
      stored(read).has(size),
    );
    expect(kept.length).toBeGreaterThan(8);
  });

  it('finds files that are added and there already', async () => {
    const tree = largerTree();
    const first = await pack(scratch, tree, options);
    const read = await readVerified(first.path);
    read.children.set(fromText('again'), file(text(100_000, 'large')));
    const second = await pack(scratch, read, options);
    expect(second.duplicateBytes).toBe(first.duplicateBytes + 100_000);
  });

  it('can have other files stored first', async () => {
    const tree = largerTree();
    const first = await pack(scratch, tree, options);
    const read = await readVerified(first.path);
    const small = read.children.get(fromText('small')) as Directory;
    const rawFirst = [small.children.get(fromText('small-3')) as RegularFile];
    const second = await pack(scratch, read, { ...options, rawFirst });
    const text3 = text(2000, 's3');
    expect(readFileSync(second.path).indexOf(text3)).toBeLessThan(200);
    await unsquashed(second, (root) => expect(describeDisk(root)).toEqual(describeTree(tree)));
  });
});

function blocksOf(root: Directory): StoredBlock[] {
  const blocks = filesOf(root).flatMap(({ extents }) => extents.map(({ data }) => data));
  return [...new Set(blocks)].filter((data) => data.kind === 'block');
}

/** Everything that all blocks hold, whether a file has it or not. */
async function contentsOfBlocks(root: Directory): Promise<string> {
  const contents = blocksOf(root).map((block) => {
    const size = block.size as number;
    const extents = [{ at: 0, length: size, data: block, offset: 0 }];
    return readContent({ ...(file('') as RegularFile), size, extents }, 0, size);
  });
  return Buffer.concat(await Promise.all(contents)).toString('latin1');
}

const FOREIGN: Record<string, string[]> = {
  gzip: ['-comp', 'gzip'],
  lz4: ['-comp', 'lz4', '-no-duplicates'],
  lzo: ['-comp', 'lzo', '-noD'],
  xz: ['-comp', 'xz', '-b', '1M'],
  'zstd with the same blocks': ['-comp', 'zstd', '-Xcompression-level', '3'],
  'zstd with ends in fragments': ['-comp', 'zstd', '-Xcompression-level', '3', '-tailends'],
  'zstd with other blocks': ['-comp', 'zstd', '-Xcompression-level', '3', '-b', '32K'],
  'nothing compressed': ['-comp', 'zstd', '-noI', '-noD', '-noF', '-noX'],
};

describe('a payload made from an image of mksquashfs', () => {
  it.each(Object.entries(FOREIGN))('has the same files: %s', async (_, how) => {
    const image = join(mkdtempSync(join(scratch, 'image-')), 'image.sqsh');
    mksquashfs(source, image, ...how);
    const { root } = await readSquashfs({ path: image, offset: 0 }, false, 'reading it');
    const payload = await pack(scratch, root, { blockSize: 131_072, level: 1 });
    await unsquashed(payload, (unpacked) => expect(listDirectory(unpacked)).toEqual(expected));
  });

  it.each([
    ['gzip', '64K'],
    ['zstd', '128K'],
  ])('is not made from damaged blocks: %s', async (compressor, blockSize) => {
    const place = mkdtempSync(join(scratch, 'damaged-'));
    mkdirSync(join(place, 'source'));
    writeFileSync(join(place, 'source/victim'), text(500_000, 'victim'));
    const image = join(place, 'image.sqsh');
    mksquashfs(join(place, 'source'), image, '-comp', compressor, '-b', blockSize);
    const bytes = readFileSync(image);
    bytes.fill(0x5a, 300, 400);
    writeFileSync(image, bytes);
    const { root } = await readSquashfs({ path: image, offset: 0 }, false, 'reading it');
    await expect(pack(scratch, root, { blockSize: 131_072, level: 1 })).rejects.toMatchObject({
      code: 'E_FORMAT',
      message: expect.stringMatching(
        new RegExp(`^reading the content of /victim: the block at byte 9\\d of .* ${compressor} `),
      ),
    });
  });
});
