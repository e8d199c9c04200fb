import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { describe, expect, test } from 'vitest';
import { encodeFile } from '#rundle/squashfs/inode.js';
import { emptyLayout } from '#rundle/squashfs/layout.js';
import { type ByteString, fromText } from '#rundle/tree/byte-string.js';
import type { Directory, Node, RegularFile } from '#rundle/tree/node.js';
import { describeDisk, describeTree, inScratch, mounted, pack, tool } from './support/judge.js';
import {
  attributes,
  directory,
  file,
  noise,
  plain,
  sparseFile,
  symlink,
  text,
} from './support/trees.js';

/** A directory of `count` nodes with names of some length. */
function crowd(count: number, make: (i: number) => Node): Directory {
  const children = new Map<ByteString, Node>();
  for (let i = 0; i < count; i++) children.set(fromText(`a-rather-long-name-${i}`), make(i));
  return { ...directory({}), children };
}

describe('large trees', () => {
  test('a directory of 100,000 entries is listed and searched', () =>
    inScratch(async (scratch) => {
      const root = directory({ crowd: crowd(100_000, (i) => file(`${i % 97}`)) });
      const payload = await pack(scratch, root);
      expect(payload.inodes).toBe(100_002);
      // Far beyond the 64 KiB that a short directory inode can tell.
      expect(tool('rdsquashfs', '-s', 'crowd', payload.path)).toMatch(/extended directory/i);
      await mounted(payload, (mount) => {
        expect(readdirSync(`${mount}/crowd`)).toHaveLength(100_000);
        // Each look-up goes through the index.
        for (let i = 0; i < 100_000; i += 61) {
          const name = `${mount}/crowd/a-rather-long-name-${i}`;
          expect(readFileSync(name, 'latin1')).toBe(`${i % 97}`);
        }
        expect(existsSync(`${mount}/crowd/a-rather-long-name-100000`)).toBe(false);
        expect(existsSync(`${mount}/crowd/a`)).toBe(false);
        expect(existsSync(`${mount}/crowd/zz`)).toBe(false);
      });
      const listed = tool('unsquashfs', '-ls', '-no-progress', payload.path).split('\n');
      expect(listed.filter((line) => line.includes('/crowd/a-'))).toHaveLength(100_000);
    }));

  test('more than 65,536 inodes, linked across directories', () =>
    inScratch(async (scratch) => {
      // Numbers of linked inodes are too far from their neighbours' for one header.
      const links = Array.from({ length: 300 }, (_, i) => file(`link ${i}`));
      const fresh = () => ({ kind: 'fifo', ...plain }) as const;
      const root = directory({
        a: crowd(40_000, (i) => links[i % 150] ?? fresh()),
        b: crowd(70_000, (i) => (i < 300 ? (links[i] as RegularFile) : fresh())),
        c: directory({ d: crowd(1000, (i) => (i % 3 ? fresh() : (links[i % 300] as Node))) }),
      });
      const payload = await pack(scratch, root);
      expect(payload.inodes).toBeGreaterThan(65_536);
      await mounted(payload, (mount) => expect(describeDisk(mount)).toEqual(describeTree(root)));
    }));

  test('a file of 5 GiB that is a hole but for its ends', () =>
    inScratch(async (scratch) => {
      const size = 5 * 2 ** 30 + 12_345;
      const end = noise(1000, 'end');
      const root = directory({
        large: sparseFile(size, { 10: Buffer.from('begin'), [size - 1000]: end }),
        // The same content: found without reading holes.
        twin: sparseFile(size, {
          0: Buffer.concat([Buffer.alloc(10), Buffer.from('begin')]),
          [size - 1000]: end,
        }),
      });
      const payload = await pack(scratch, root);
      expect(payload.duplicateBytes).toBe(size);
      expect(payload.size).toBeLessThan(100_000);
      await mounted(payload, (mount) => {
        const { size: mountedSize, blocks } = statSync(`${mount}/large`);
        expect(mountedSize).toBe(size);
        expect(blocks * 512).toBeLessThan(2 ** 21 + 512);
        const descriptor = openSync(`${mount}/twin`, 'r');
        const part = Buffer.alloc(2000);
        expect(readSync(descriptor, part, 0, 2000, size - 2000)).toBe(2000);
        expect(part.equals(Buffer.concat([Buffer.alloc(1000), end]))).toBe(true);
        expect(readSync(descriptor, part, 0, 20, 5)).toBe(20);
        expect(part.subarray(5, 10).toString()).toBe('begin');
        closeSync(descriptor);
      });
    }));

  test('a file behind the first 4 GiB of the payload has a long inode', () => {
    const facts = { number: 1, links: 1, xattrs: 0xffff_ffff, uid: 0, gid: 0 };
    const layout = { ...emptyLayout(), start: 2 ** 32 + 5, words: [77] };
    const inode = encodeFile(file(text(100, 'x')), facts, layout);
    expect(inode.readUInt16LE(0)).toBe(9);
    expect(inode.readBigUInt64LE(16)).toBe(2n ** 32n + 5n);
    expect(encodeFile(file('x'), facts, { ...layout, start: 2 ** 32 - 1 }).readUInt16LE(0)).toBe(2);
  });
});

describe('what SquashFS cannot hold', () => {
  test('times are clamped, with a note', () =>
    inScratch(async (scratch) => {
      const root = directory({
        dir: directory({ early: file('x', { mtime: -1 }) }),
        late: file('x', { mtime: 2 ** 32 }),
      });
      const payload = await pack(scratch, root);
      expect(payload.omissions).toEqual([
        { path: 'dir/early', what: 'mtime before 1970' },
        { path: 'late', what: 'mtime after 2106' },
      ]);
      await mounted(payload, (mount) => {
        expect(statSync(`${mount}/dir/early`).mtimeMs).toBe(0);
        expect(statSync(`${mount}/late`).mtimeMs).toBe(0xffff_ffff * 1000);
      });
    }));

  test('ACLs and foreign attributes are left out, with a note', () =>
    inScratch(async (scratch) => {
      const xattrs = attributes({
        'system.posix_acl_access': 'acl',
        'user.kept': 'kept',
        'btrfs.compression': 'zstd',
        'user.': 'no name',
        [`user.${'n'.repeat(251)}`]: 'too long a name',
      });
      const only = attributes({ 'system.posix_acl_default': 'acl' });
      const root = directory({ a: file('a', { xattrs }), d: directory({}, { xattrs: only }) });
      const payload = await pack(scratch, root);
      expect(payload.omissions.filter(({ what }) => what === 'POSIX ACL')).toEqual([
        { path: 'a', what: 'POSIX ACL' },
        { path: 'd', what: 'POSIX ACL' },
      ]);
      expect(payload.omissions).toHaveLength(5);
      await mounted(payload, (mount) =>
        expect(tool('getfattr', '-d', '-m', '-', `${mount}/a`)).toContain('user.kept="kept"'),
      );
      expect(tool('rdsquashfs', '-x', 'a', payload.path).trim().split('\n')).toHaveLength(1);
    }));

  test('65,535 different ids fit, one more is refused', () =>
    inScratch(async (scratch) => {
      const owned = (count: number) =>
        crowd(count, (i) => ({ kind: 'fifo', ...plain, uid: i, gid: 0 }));
      const payload = await pack(scratch, owned(65_535));
      await mounted(payload, (mount) =>
        expect(statSync(`${mount}/a-rather-long-name-65534`).uid).toBe(65_534),
      );
      await expect(pack(scratch, owned(65_536))).rejects.toMatchObject({
        code: 'E_UNSUPPORTED',
        message: expect.stringContaining('/a-rather-long-name-'),
      });
    }));

  test.each<[string, Node]>([
    ['an owner below 0', file('x', { uid: -1 })],
    ['a group beyond 32 bits', file('x', { gid: 2 ** 32 })],
    ['a major number beyond 12 bits', { kind: 'block-device', ...plain, major: 4096, minor: 0 }],
    ['a minor number beyond 20 bits', { kind: 'block-device', ...plain, major: 0, minor: 2 ** 20 }],
    ['a link target beyond 4095 bytes', symlink('x'.repeat(4096))],
    ['a file of more blocks than a payload may have', sparseFile(2 ** 52, {})],
  ])('%s is refused by name', (_, node) =>
    inScratch(async (scratch) => {
      await expect(
        pack(scratch, directory({ dir: directory({ it: node }) })),
      ).rejects.toMatchObject({
        code: 'E_UNSUPPORTED',
        message: expect.stringContaining('/dir/it'),
      });
    }),
  );

  test('a directory that stands in the tree twice is refused', () =>
    inScratch(async (scratch) => {
      const loop = directory({});
      loop.children.set(fromText('again'), loop);
      await expect(pack(scratch, loop)).rejects.toMatchObject({ code: 'E_UNSUPPORTED' });
    }));
});
