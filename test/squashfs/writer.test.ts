import { readFileSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writePayload } from '#rundle/squashfs/writer.js';
import type { Directory, RegularFile } from '#rundle/tree/node.js';
import {
  attributesBelow,
  attributesOf,
  describeDisk,
  describeTree,
  inScratch,
  mounted,
  pack,
  sha256,
  tool,
  unpackedByNg,
  unsquashed,
} from './support/judge.js';
import { attributes, directory, file, noise, oddNames, sampleTree, text } from './support/trees.js';

const small = { blockSize: 4096, level: 3 };

describe('a tree with one of everything', () => {
  test('is the same through the kernel', () =>
    inScratch(async (scratch) => {
      const root = sampleTree();
      await mounted(await pack(scratch, root, small), (mount) => {
        expect(describeDisk(mount)).toEqual(describeTree(root));
        expect(attributesBelow(mount)).toEqual(attributesOf(root));
        expect(statSync(`${mount}/three`).nlink).toBe(3);
        expect(statSync(`${mount}/fifo`).nlink).toBe(2);
        expect(statSync(`${mount}/dir`).nlink).toBe(3);
        expect(statSync(`${mount}/empty-dir`).nlink).toBe(2);
        // Holes take no blocks: 20,000 bytes of which one block of 4 KiB holds data.
        expect(statSync(`${mount}/hole`).blocks).toBe(8);
        expect(statSync(`${mount}/only-hole`).blocks).toBe(0);
      });
    }));

  test('is the same through unsquashfs', () =>
    inScratch(async (scratch) => {
      const root = sampleTree();
      const payload = await pack(scratch, root, small);
      await unsquashed(payload, (disk) => {
        expect(describeDisk(disk)).toEqual(describeTree(root));
        expect(attributesBelow(disk)).toEqual(attributesOf(root));
      });
      const listing = tool('unsquashfs', '-lls', '-no-progress', payload.path);
      expect(listing).toContain('-rwsr-xr-x 3000000000/70000');
      expect(listing).toContain('drwxrwxrwt root/root');
      expect(listing.split('\n').filter((line) => line.includes('squashfs-root'))).toHaveLength(
        describeTree(root).size,
      );
    }));

  test('is the same through squashfs-tools-ng', () =>
    inScratch(async (scratch) => {
      const root = sampleTree();
      await unpackedByNg(await pack(scratch, root, small), (disk) => {
        // It unpacks each name of a file on its own, so links are not compared, and leaves the root as it is.
        const unlinked = (description: Map<string, string>) =>
          [...description].slice(1).map(([path, line]) => [path, line.replace(/ first=.*/, '')]);
        expect(unlinked(describeDisk(disk))).toEqual(unlinked(describeTree(root)));
      });
    }));

  test('does not differ, for sqfsdiff, from what mksquashfs makes of it', () =>
    inScratch(async (scratch) => {
      const root = sampleTree();
      const payload = await pack(scratch, root, { ...small, blockSize: 131_072 });
      await unsquashed(payload, (disk) => {
        const other = join(scratch, 'other.sqfs');
        tool('mksquashfs', disk, other, '-comp', 'zstd', '-no-progress', '-quiet');
        expect(tool('sqfsdiff', '-a', payload.path, '-b', other)).toBe('');
      });
    }));

  test('has these bytes, whatever the number of workers', () =>
    inScratch(async (scratch) => {
      const digests: string[] = [];
      for (const workers of [1, 2, 3]) {
        const payload = await pack(scratch, sampleTree(), { ...small, workers });
        expect(payload.sha256).toBe(sha256(readFileSync(payload.path)));
        digests.push(payload.sha256);
      }
      expect(digests).toEqual(Array(3).fill(GOLDEN));
    }));

  test('does not depend on the order in which names and attributes were put into the tree', () =>
    inScratch(async (scratch) => {
      const reversed = (node: Directory): Directory => ({
        ...node,
        children: new Map([...node.children].reverse()),
      });
      const payload = await pack(scratch, reversed(sampleTree()), small);
      expect(payload.sha256).toBe(GOLDEN);
    }));
});

/** Of `sampleTree` with blocks of 4 KiB at level 3. It changes only with the writer's decisions. */
const GOLDEN = '016ef21178b3f31ba83166c0f241d3ae2bbb99c84df55da61bc33526089a860a';

describe('the payload', () => {
  test('is written at its offset and leaves the rest of the file alone', () =>
    inScratch(async (scratch) => {
      const root = sampleTree();
      const alone = await pack(scratch, root, small);
      const path = join(scratch, 'both');
      const output = await open(path, 'w+');
      await output.write(Buffer.alloc(70_000, 7));
      const options = { ...small, workers: 2, buildTime: 0 };
      const summary = await writePayload(root, output, 65_536, options);
      await output.close();
      const bytes = readFileSync(path);
      expect(bytes.subarray(0, 65_536).equals(Buffer.alloc(65_536, 7))).toBe(true);
      expect(sha256(bytes.subarray(65_536))).toBe(alone.sha256);
      expect(summary.size).toBe(bytes.length - 65_536);
      expect(summary.size % 4096).toBe(0);
    }));

  test('carries the build time and the level', () =>
    inScratch(async (scratch) => {
      const payload = await pack(scratch, directory({ a: file('a') }), {
        level: 7,
        buildTime: 1_234_567_890,
      });
      const superblock = tool('unsquashfs', '-s', payload.path);
      expect(superblock).toContain('Fri Feb 13 23:31:30 2009');
      expect(superblock).toContain('compression-level 7');
      expect(superblock).toContain('Filesystem is exportable via NFS');
    }));

  test.each([1, 15, 22])('can be read at level %i', (level) =>
    inScratch(async (scratch) => {
      const root = sampleTree();
      const payload = await pack(scratch, root, { blockSize: 16_384, level });
      const superblock = tool('unsquashfs', '-s', payload.path);
      // squashfs-tools takes 15 for granted and stores nothing then.
      if (level === 15) expect(superblock).not.toContain('compression-level');
      else expect(superblock).toContain(`compression-level ${level}`);
      await mounted(payload, (mount) => expect(describeDisk(mount)).toEqual(describeTree(root)));
    }),
  );

  test('of an empty tree can be mounted', () =>
    inScratch(async (scratch) => {
      const payload = await pack(scratch, directory({}));
      expect(payload).toMatchObject({ inodes: 1, contentBytes: 0, size: 4096 });
      await mounted(payload, (mount) => expect(describeDisk(mount).size).toBe(1));
      tool('unsquashfs', '-ls', payload.path);
      tool('rdsquashfs', '-d', payload.path);
    }));

  test('keeps names of any bytes and of 255 of them', () =>
    inScratch(async (scratch) => {
      const root: Directory = { ...directory({}), children: oddNames() };
      await mounted(await pack(scratch, root), (mount) =>
        expect(describeDisk(mount)).toEqual(describeTree(root)),
      );
    }));

  test('holds shared and large sets of attributes', () =>
    inScratch(async (scratch) => {
      const values = Object.fromEntries(
        Array.from({ length: 60 }, (_, i) => [`user.n${i}`, `value ${i} `.repeat(i)]),
      );
      const children = Array.from({ length: 700 }, (_, i) => [
        `f${i}`,
        file(`${i}`, { xattrs: attributes({ ...values, 'trusted.id': `${i >> 1}` }) }),
      ]);
      const large = file('large', { xattrs: attributes({ 'user.large': 'x'.repeat(60_000) }) });
      const root = directory(
        { ...Object.fromEntries(children), large },
        { xattrs: attributes(values) },
      );
      const payload = await pack(scratch, root);
      expect(tool('unsquashfs', '-s', payload.path)).toContain('Number of xattr ids 352');
      await mounted(payload, (mount) => expect(attributesBelow(mount)).toEqual(attributesOf(root)));
    }));

  test('stores the files asked for first, in front and uncompressed', () =>
    inScratch(async (scratch) => {
      const first = file(text(10_000, 'first')) as RegularFile;
      const second = file('second') as RegularFile;
      const root = directory({ a: file(noise(50_000, 'a')), first, second, z: file('zz') });
      const rawFirst = [second, first, file('not in the tree')];
      const payload = await pack(scratch, root, { blockSize: 4096, rawFirst });
      const front = Buffer.concat([Buffer.from('second'), text(10_000, 'first')]);
      // Behind the superblock (96) and the level (6).
      const bytes = readFileSync(payload.path).subarray(102, 102 + front.length);
      expect(bytes.equals(front)).toBe(true);
      await mounted(payload, (mount) => expect(describeDisk(mount)).toEqual(describeTree(root)));
    }));
});

describe('progress', () => {
  test('rises to the sum of the contents', () =>
    inScratch(async (scratch) => {
      const seen: number[] = [];
      const root = directory({ a: file(text(300_000, 'a')), b: file(text(300_000, 'a')) });
      const payload = await pack(scratch, root, {
        blockSize: 4096,
        onProgress: (done, total) => {
          expect(total).toBe(600_000);
          seen.push(done);
        },
      });
      expect(payload.duplicateBytes).toBe(300_000);
      expect(seen).toEqual([...seen].sort((a, b) => a - b));
      expect(seen.at(-1)).toBe(600_000);
    }));
});
