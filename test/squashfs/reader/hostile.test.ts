import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Node } from '#rundle/tree/node.js';
import { pack, tool } from '../support/judge.js';
import { directory, sparseFile } from '../support/trees.js';
import { mksquashfs, read } from './support/images.js';

/** Each inode of the image is found by its time. */
const TIME = { parent: 0x11223301, inner: 0x11223302, file: 0x11223303, link: 0x11223304 };

let scratch = '';
/** An image whose metadata are stored as they are. */
let image: Buffer;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rundle-hostile-'));
  const source = join(scratch, 'source');
  mkdirSync(join(source, 'parent/inner'), { recursive: true });
  writeFileSync(join(source, 'needle-in-a-haystack'), 'x');
  writeFileSync(join(source, 'twin-1'), 'x');
  writeFileSync(join(source, 'twin-2'), 'y');
  writeFileSync(join(source, 'parent/file'), Buffer.alloc(300_000, 'text'));
  tool('ln', '-s', 'target', join(source, 'parent/link'));
  tool('setfattr', '-n', 'user.note', '-v', 'value', join(source, 'twin-1'));
  for (const [name, time] of Object.entries(TIME).reverse()) {
    const path = name === 'parent' ? 'parent' : `parent/${name}`;
    tool('touch', '-h', '-d', `@${time}`, join(source, path));
  }
  mksquashfs(source, join(scratch, 'image'), '-noI', '-noX', '-noF');
  image = readFileSync(join(scratch, 'image'));
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The start of the inode with a time: type, mode, uid, gid (16 bits each), time, number (32 bits). */
function inodeAt(bytes: Buffer, time: number): number {
  const needle = Buffer.alloc(4);
  needle.writeUInt32LE(time);
  const found = bytes.indexOf(needle, Number(bytes.readBigUInt64LE(64)));
  expect(found).toBeGreaterThan(0);
  expect(bytes.indexOf(needle, found + 1)).toBe(-1);
  return found - 8;
}

function rename(bytes: Buffer, from: string, to: string): void {
  const found = bytes.indexOf(from, Number(bytes.readBigUInt64LE(72)), 'latin1');
  expect(found).toBeGreaterThan(0);
  bytes.write(to, found, 'latin1');
}

/** Reads what `change` makes of the image. */
async function readChanged(change: (bytes: Buffer) => unknown) {
  const bytes = Buffer.from(image);
  const result = change(bytes);
  const path = join(mkdtempSync(join(scratch, 'changed-')), 'image');
  writeFileSync(path, result instanceof Buffer ? result : bytes);
  return read(path);
}

const FORMAT: Record<string, [(bytes: Buffer) => unknown, RegExp]> = {
  'an empty file': [() => Buffer.alloc(0), /it is no SquashFS image/],
  'another file': [() => Buffer.alloc(4096, 'text'), /it is no SquashFS image/],
  'a part of a superblock': [(bytes) => bytes.subarray(0, 60), /cut off after 60 bytes/],
  'a superblock alone': [(bytes) => bytes.subarray(0, 96), /cut off: 96 of \d+ bytes/],
  'an image that is cut off': [
    (bytes) => bytes.subarray(0, Number(bytes.readBigUInt64LE(40)) - 1),
    /cut off: \d+ of \d+ bytes/,
  ],
  'a block size that is none': [(bytes) => bytes.writeUInt32LE(5000, 12), /a block has 5000 bytes/],
  'two block sizes': [(bytes) => bytes.writeUInt16LE(16, 22), /a block has 131072 bytes/],
  'an inode table behind the end': [
    (bytes) => bytes.writeBigUInt64LE(1n << 40n, 64),
    /the inode table would be at byte 1099511627776/,
  ],
  'tables in the wrong order': [
    (bytes) => bytes.copy(Buffer.from(bytes), 0, 0) + bytes.writeBigUInt64LE(100n, 72),
    /the directory table stands before the inode table/,
  ],
  'more ids than there are': [(bytes) => bytes.writeUInt16LE(60_000, 26), /a table|metadata|id/],
  'a root elsewhere': [(bytes) => bytes.writeBigUInt64LE(1n << 47n, 32), /metadata at byte/],
  'a root that is no directory': [
    (bytes) => {
      const place = inodeAt(bytes, TIME.file) - Number(bytes.readBigUInt64LE(64)) - 2;
      bytes.writeBigUInt64LE(BigInt(place), 32);
    },
    /its entry is of type 1, its inode of type 2/,
  ],
  'a name with a slash': [
    (bytes) => rename(bytes, 'needle-in', 'needle/in'),
    /an entry with the name "needle\/in-a-haystack"/,
  ],
  'a name with a NUL': [
    (bytes) => rename(bytes, 'needle-in', 'needle\0in'),
    /an entry with the name "needle\\x00in-a-haystack"/,
  ],
  'two entries with one name': [
    (bytes) => rename(bytes, 'twin-2', 'twin-1'),
    /two entries with the name "twin-1"/,
  ],
  'a directory within itself': [
    (bytes) =>
      bytes.copy(
        bytes,
        inodeAt(bytes, TIME.inner) + 16,
        inodeAt(bytes, TIME.parent) + 16,
        inodeAt(bytes, TIME.parent) + 32,
      ),
    /\/parent\/inner\/inner: it is a directory with another name/,
  ],
  'a listing that ends within an entry': [
    (bytes) => bytes.writeUInt16LE(20, inodeAt(bytes, TIME.parent) + 24),
    /\/parent.*listing ends within an entry/,
  ],
  'a listing that is longer than there is': [
    (bytes) => bytes.writeUInt16LE(65_000, inodeAt(bytes, TIME.parent) + 24),
    /E_FORMAT|listing|metadata|entry|type|name/,
  ],
  'an inode of no type': [
    (bytes) => bytes.writeUInt16LE(99, inodeAt(bytes, TIME.file)),
    /\/parent\/file: its inode has the type 99/,
  ],
  'an inode of another type than its entry': [
    (bytes) => bytes.writeUInt16LE(6, inodeAt(bytes, TIME.file)),
    /\/parent\/file: its entry is of type 2, its inode of type 6/,
  ],
  'an owner that is not there': [
    (bytes) => bytes.writeUInt16LE(77, inodeAt(bytes, TIME.file) + 4),
    /\/parent\/file: its owner is id 77/,
  ],
  'a file behind the end': [
    (bytes) => bytes.writeUInt32LE(0x7000_0000, inodeAt(bytes, TIME.file) + 16),
    /\/parent\/file: a block of \d+ bytes would be at byte 1879048192/,
  ],
  'a file of more blocks than are listed': [
    (bytes) => bytes.writeUInt32LE(0xffff_fff0, inodeAt(bytes, TIME.file) + 28),
    /\/parent\/file: /,
  ],
  'a file in a fragment that is not there': [
    (bytes) => bytes.writeUInt32LE(5, inodeAt(bytes, TIME.file) + 20),
    /\/parent\/file: its end is in fragment block 5, of which the image has 1/,
  ],
  'a file beyond its fragment': [
    (bytes) => {
      bytes.writeUInt32LE(0, inodeAt(bytes, TIME.file) + 20);
      bytes.writeUInt32LE(130_000, inodeAt(bytes, TIME.file) + 24);
    },
    /\/parent\/file: its end would be at byte 130000 of a fragment block/,
  ],
  'a block that is larger than a block': [
    (bytes) => bytes.writeUInt32LE(131_073, inodeAt(bytes, TIME.file) + 32),
    /\/parent\/file: a block of it has the size word 0x20001/,
  ],
  'a block of another size than its content': [
    (bytes) => bytes.writeUInt32LE(0x100_0000 | 50, inodeAt(bytes, TIME.file) + 32),
    /\/parent\/file: a block of it is stored as 50 bytes and has 131072/,
  ],
  'a link target of 4 GiB': [
    (bytes) => bytes.writeUInt32LE(0xffff_ffff, inodeAt(bytes, TIME.link) + 20),
    /\/parent\/link: its link target has 4294967295 bytes/,
  ],
  'a link target with a NUL': [
    (bytes) => bytes.writeUInt8(0, inodeAt(bytes, TIME.link) + 25),
    /\/parent\/link: its link target holds a NUL/,
  ],
  'attributes that are not there': [
    (bytes) => {
      const table = Number(bytes.readBigUInt64LE(56));
      bytes.writeUInt32LE(0, table + 8);
    },
    /\/twin-1: it has the set of attributes 0, of which the image has 0/,
  ],
  'an attribute with a value of 4 GiB': [
    (bytes) => bytes.writeUInt32LE(0xffff_ffff, bytes.indexOf('note', 0) + 4),
    /\/twin-1: it has an attribute with a value of 4294967295 bytes/,
  ],
};

describe('an image that lies', () => {
  it('is read before it does', async () => {
    const { root } = await readChanged(() => undefined);
    expect(root.children.size).toBe(4);
  });

  it.each(Object.entries(FORMAT))('is refused: %s', async (_, [change, message]) => {
    await expect(readChanged(change)).rejects.toMatchObject({
      code: 'E_FORMAT',
      message: expect.stringMatching(/^reading \//),
    });
    await expect(readChanged(change)).rejects.toThrow(message);
  });

  it.each([
    ['a big-endian image', (bytes: Buffer) => bytes.write('sqsh', 0), /big-endian/],
    ['version 3.1', (bytes: Buffer) => bytes.writeUInt32LE(0x10003, 28), /of version 3\.1/],
    ['lzma', (bytes: Buffer) => bytes.writeUInt16LE(2, 20), /its compressor is lzma/],
    ['a new compressor', (bytes: Buffer) => bytes.writeUInt16LE(9, 20), /unknown number 9/],
  ])('is refused as not supported: %s', async (_, change, message) => {
    await expect(readChanged(change)).rejects.toMatchObject({
      code: 'E_UNSUPPORTED',
      message: expect.stringMatching(message),
    });
  });

  it('allocates nothing for what it claims', async () => {
    const claims = Buffer.from(image.subarray(0, 96));
    claims.writeUInt32LE(0xffff_ffff, 4);
    claims.writeUInt32LE(0xffff_ffff, 16);
    claims.writeUInt16LE(0xffff, 26);
    for (const at of [48, 56, 64, 72, 80, 88]) claims.writeBigUInt64LE(96n, at);
    claims.writeBigUInt64LE(96n, 40);
    const before = process.memoryUsage().arrayBuffers;
    await expect(readChanged(() => claims)).rejects.toMatchObject({ code: 'E_FORMAT' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 << 20);
  });

  it('is refused when a small image has a file of millions of blocks', async () => {
    const root = directory({ large: sparseFile(4096 * 3_000_000, {}) });
    const { path } = await pack(scratch, root, { blockSize: 4096 });
    await expect(read(path)).rejects.toMatchObject({
      code: 'E_UNSUPPORTED',
      message: expect.stringMatching(/\/large: .* take more than 512 MiB/),
    });
  });

  it('is refused when its directories are too deep', async () => {
    let inner: Node = directory({});
    for (let depth = 0; depth < 2100; depth++) inner = directory({ d: inner });
    const { path } = await pack(scratch, inner as ReturnType<typeof directory>);
    await expect(read(path)).rejects.toThrow(/it is more than 2048 directories deep/);
  });

  it('is refused when the file cannot be read', async () => {
    await expect(read(join(scratch, 'missing'))).rejects.toMatchObject({ code: 'E_SOURCE' });
    await expect(read(scratch)).rejects.toMatchObject({ code: 'E_SOURCE' });
    const path = join(scratch, 'pipe');
    tool('mkfifo', path);
    await expect(read(path)).rejects.toThrow(/it is not a regular file/);
  });

  it('may be followed by other bytes', async () => {
    const path = join(scratch, 'longer');
    writeFileSync(path, image);
    truncateSync(path, image.length + 70_000);
    expect((await read(path)).root.children.size).toBe(4);
  });
});
