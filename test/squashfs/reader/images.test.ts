import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Listing, listDirectory, listTree } from '../../source/support/tree-listing.js';
import { inScratch, pack, tool } from '../support/judge.js';
import { sampleTree } from '../support/trees.js';
import { listImage, makeDiskTree, mksquashfs, read } from './support/images.js';

const COMPRESSORS: Record<string, string[]> = {
  gzip: ['-comp', 'gzip'],
  'gzip with a small window': ['-comp', 'gzip', '-Xwindow-size', '9', '-Xcompression-level', '1'],
  zstd: ['-comp', 'zstd', '-Xcompression-level', '3'],
  lz4: ['-comp', 'lz4'],
  'lz4, high': ['-comp', 'lz4', '-Xhc'],
  xz: ['-comp', 'xz'],
  'xz, filtered for x86': ['-comp', 'xz', '-Xbcj', 'x86'],
  'xz, filtered for arm': ['-comp', 'xz', '-Xbcj', 'arm,armthumb'],
  'xz, filtered for powerpc': ['-comp', 'xz', '-Xbcj', 'powerpc'],
  lzo: ['-comp', 'lzo'],
  'lzo, fastest': ['-comp', 'lzo', '-Xalgorithm', 'lzo1x_1_15'],
};

const FORMS: Record<string, string[]> = {
  'blocks of 4 KiB': ['-b', '4K'],
  'blocks of 1 MiB': ['-b', '1M'],
  'nothing compressed': ['-noI', '-noD', '-noF', '-noX'],
  'data not compressed, as Enroot does': ['-comp', 'lzo', '-noD'],
  'no fragments': ['-no-fragments'],
  'the ends of all files in fragments': ['-tailends', '-b', '64K'],
  'duplicates stored again': ['-no-duplicates'],
  'no export table': ['-no-exports'],
  'holes stored': ['-no-sparse'],
};

let scratch = '';
let source = '';
let expected: Listing = {};

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rundle-images-'));
  source = join(scratch, 'source');
  mkdirSync(source);
  makeDiskTree(source, 2000);
  expected = listDirectory(source);
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const image = () => join(mkdtempSync(join(scratch, 'image-')), 'image.sqsh');

describe('an image of mksquashfs', () => {
  it('has entries to compare', () => {
    expect(Object.keys(expected).length).toBeGreaterThan(2030);
    expect(expected['a/b/attributes']?.xattrs).toHaveProperty('trusted.kept');
  });

  it.each(Object.entries(COMPRESSORS))('is read: %s', async (_, options) => {
    const path = image();
    mksquashfs(source, path, ...options);
    const { root } = await read(path);
    expect(await listImage(root)).toEqual(expected);
  });

  it.each(Object.entries(FORMS))('is read: %s', async (_, options) => {
    const path = image();
    mksquashfs(source, path, ...options);
    expect(await listImage((await read(path)).root)).toEqual(expected);
  });

  it('is read with hard links as files of their own', async () => {
    const path = image();
    mksquashfs(source, path, '-no-hardlinks');
    for (const [name, entry] of Object.entries(await listImage((await read(path)).root))) {
      const link = entry.kind === 'directory' ? undefined : name;
      expect({ ...entry, link }).toEqual({ ...expected[name], link });
    }
  });

  it('is read without attributes', async () => {
    const path = image();
    mksquashfs(source, path, '-no-xattrs');
    const listing = await listImage((await read(path)).root);
    expect(listing).toEqual(
      Object.fromEntries(
        Object.entries(expected).map(([at, entry]) => [at, { ...entry, xattrs: {} }]),
      ),
    );
  });

  it('is read with all owners set to root and one time', async () => {
    const path = image();
    mksquashfs(source, path, '-all-root', '-all-time', '77');
    for (const entry of Object.values(await listImage((await read(path)).root))) {
      expect([entry.uid, entry.gid, entry.mtime]).toEqual([0, 0, 77]);
    }
  });

  it('is read with a directory of 10,000 entries', async () => {
    const large = join(scratch, 'large');
    mkdirSync(large);
    makeDiskTree(large, 10_000);
    const path = image();
    mksquashfs(large, path, '-comp', 'lz4');
    expect(await listImage((await read(path)).root)).toEqual(listDirectory(large));
  });
});

describe('an image of squashfs-tools-ng', () => {
  const known = tool('tar2sqfs', '--help').matchAll(/^\s+(gzip|xz|zstd|lz4|lzo)\b/gm);
  const compressors = [...new Set([...known].map(([, name]) => name as string))];

  it('has compressors', () =>
    expect(compressors).toEqual(expect.arrayContaining(['gzip', 'zstd'])));

  // unsquashfs does not read what tar2sqfs makes with lz4; all of them hold the same archive.
  it.each(compressors)('is read: %s', async (compressor) => {
    const listing = await listImage((await read(makeFromTar(compressor))).root);
    expect(Object.keys(listing).length).toBeGreaterThan(2030);
    expect(listing).toEqual(unpackedFromTar());
  });

  function makeFromTar(compressor: string): string {
    const path = image();
    const archive = join(scratch, 'source.tar');
    const options = ['--xattrs', '--xattrs-include=*', '--exclude=./socket'];
    tool('tar', '-C', source, ...options, '-cf', archive, '.');
    tool('sh', '-c', 'tar2sqfs -q -f -c "$1" "$2" <"$3"', 'sh', compressor, path, archive);
    return path;
  }

  let unpacked: Listing | undefined;
  function unpackedFromTar(): Listing {
    if (unpacked !== undefined) return unpacked;
    const directory = join(scratch, 'unpacked');
    tool('unsquashfs', '-no-progress', '-quiet', '-d', directory, makeFromTar('gzip'));
    unpacked = listDirectory(directory);
    return unpacked;
  }
});

describe('a payload of our own', () => {
  it.each([4096, 1024 * 1024])('is read: blocks of %i bytes', async (blockSize) => {
    await inScratch(async (directory) => {
      const tree = sampleTree();
      const { path } = await pack(directory, tree, { blockSize });
      expect(await listImage((await read(path)).root)).toEqual(await listTree(tree));
    });
  });
});
