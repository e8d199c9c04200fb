import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { noise } from './sample-tree.js';
import { make, makeScratch, must, run, stub } from './support.js';

const scratch = makeScratch();
const tree = join(scratch.path, 'tree');
const limits = 'ASAN_OPTIONS=max_allocation_size_mb=64';

/** Small, so that many damaged copies are read in a short time, but with every structure a payload can have. */
function makeSmallTree(): void {
  const at = (name: string) => join(tree, name);
  for (const name of ['', 'many', 'other', 'other/inner']) mkdirSync(at(name));
  for (let i = 0; i < 300; i++) writeFileSync(at(`many/entry number ${i}`), '');
  writeFileSync(at('other/blocks'), noise(50_000, 'blocks'));
  writeFileSync(at('other/tail'), noise(5000, 'tail'));
  for (const name of ['z', 'zz']) writeFileSync(at(`other/${name}`), name);
  writeFileSync(at('other/inner/text'), 'text '.repeat(3000));
  must(['truncate', '-s', '100K', at('other/hole')]);
  must(['ln', at('other/tail'), at('other/inner/link')]);
  must(['mkfifo', at('other/fifo')]);
  must(['mknod', at('other/device'), 'c', '1', '3']);
  symlinkSync('target', at('other/symlink'));
  for (const name of ['other', 'other/tail', 'other/inner/text'])
    must(['setfattr', '-n', 'user.name', '-v', 'value', at(name)]);
  must(['setfattr', '-n', 'user.long', '-v', 'v'.repeat(500), at('other/tail')]);
  must(['setfattr', '-n', 'user.long', '-v', 'v'.repeat(500), at('other/blocks')]);
}

function pack(name: string, root: string, ...options: string[]): string {
  const image = join(scratch.path, name);
  must([
    'mksquashfs',
    root,
    image,
    '-comp',
    'zstd',
    '-b',
    '4K',
    '-nopad',
    '-quiet',
    '-no-progress',
    ...options,
  ]);
  return image;
}

const plain = ['-noI', '-noId', '-noX'];

beforeAll(() => {
  make('build/asan/payload_mutate', 'build/asan/payload_tool');
  makeSmallTree();
});

afterAll(scratch.remove);

describe('images damaged at random are read or refused, without a crash, a hang or a wild allocation', () => {
  test.each([
    ['tables not compressed', plain],
    ['nothing compressed', [...plain, '-noD', '-noF']],
    ['everything compressed', []],
  ])('%s', (name, options) => {
    const image = pack(name, tree, ...options);
    const mutate = join(stub, 'build/asan/payload_mutate');
    const out = join(scratch.path, `out of ${name}`);
    mkdirSync(out);
    const printed = must(['env', limits, mutate, image, '1', '400', out]);
    const [opened] = /^\d+/.exec(printed) ?? [];
    // Most damage must get past the superblock, else this tests nothing.
    expect(Number(opened)).toBeGreaterThan(150);
    expect(must(['ls', '-A', out])).toBe('');
  });
});

test('every truncation is refused, or what is missing is', () => {
  const bytes = readFileSync(pack('truncated', tree, ...plain));
  const path = join(scratch.path, 'short');
  const out = join(scratch.path, 'out of short');
  for (let length = 0; length < bytes.length; length += Math.ceil(bytes.length / 60)) {
    writeFileSync(path, bytes.subarray(0, length));
    mkdirSync(out);
    const { status, stderr } = run([
      'env',
      limits,
      join(stub, 'build/asan/payload_tool'),
      'extract',
      path,
      out,
    ]);
    expect([length, status]).toEqual([length, 1]);
    expect(stderr).toMatch(/the payload is corrupt/);
    must(['rm', '-rf', out]);
  }
});

describe('structures that no writer makes', () => {
  const tool = join(stub, 'build/asan/payload_tool');
  let image: string;
  let bytes: Buffer;
  beforeAll(() => {
    // Few entries: all inodes are in one metadata block, so that an offset alone says which.
    const few = join(scratch.path, 'few');
    for (const name of ['', 'alpha', 'beta']) mkdirSync(join(few, name));
    for (const name of ['tail', 'pair-1', 'pair-2', 'z', 'zz', 'blocks'])
      writeFileSync(join(few, name), `${name} `.repeat(20));
    for (const name of ['pair-1', 'pair-2'])
      must(['ln', join(few, name), join(few, 'alpha', `${name}-again`)]);
    image = pack('crafted', few, ...plain);
  });
  beforeEach(() => {
    bytes = readFileSync(image);
  });

  /** With `only`, arguments of check, the walk alone does not notice. */
  function expectRefusal(reason: RegExp, only: readonly string[] = []): void {
    const path = join(scratch.path, 'changed');
    const out = join(scratch.path, 'out of changed');
    writeFileSync(path, bytes);
    mkdirSync(out, { recursive: true });
    for (const verb of only.length > 0 ? [['extract', out]] : [['list'], ['extract', out]]) {
      const [name = '', ...rest] = verb;
      const { status, stderr } = run(['env', limits, tool, name, path, ...rest]);
      expect(status).toBe(1);
      expect(stderr).toMatch(reason);
    }
    const checked = run(['env', limits, tool, 'check', path, ...only]);
    expect(checked.status).toBe(1);
    expect(checked.stdout + checked.stderr).toMatch(reason);
    must(['rm', '-rf', out]);
  }

  /** Where an entry's fixed part stands in the directory table: offset, number, type, name size. */
  function entryAt(name: string): number {
    const wanted = Buffer.concat([Buffer.from([name.length - 1, 0]), Buffer.from(name)]);
    const at = bytes.lastIndexOf(wanted) - 6;
    expect(at).toBeGreaterThan(Number(bytes.readBigUInt64LE(72)));
    return at;
  }

  const inodeOf = (name: string) =>
    Number(bytes.readBigUInt64LE(64)) + 2 + bytes.readUInt16LE(entryAt(name));

  test('a directory under two names', () => {
    bytes.copy(bytes, entryAt('beta'), entryAt('alpha'), entryAt('alpha') + 4);
    expectRefusal(/\/beta: .*two places/);
  });

  test('a directory inside itself, with all numbers made to fit', () => {
    const alpha = entryAt('alpha');
    const root = Number(bytes.readBigUInt64LE(32));
    const inode = Number(bytes.readBigUInt64LE(64)) + 2 + (root & 0xffff);
    const number = bytes.readUInt32LE(inode + 12);
    bytes.writeUInt32LE(number, inode + 16 + 12);
    bytes.writeUInt16LE(root & 0xffff, alpha);
    // The header of the run of entries, in front of its first one, ends with the base of the numbers.
    bytes.writeInt16LE(number - bytes.readUInt32LE(alpha - 4), alpha + 2);
    expectRefusal(/\/alpha: .*two places/);
  });

  test('a directory whose parent is another one', () => {
    bytes.writeUInt32LE(1, inodeOf('alpha') + 16 + 12);
    expectRefusal(/\/alpha: .*another parent/);
  });

  test('an entry of another type than its inode', () => {
    bytes.writeUInt16LE(1, entryAt('tail') + 4);
    expectRefusal(/\/tail: .*the directory and the inode disagree/);
  });

  test.each([600, 3000])(
    'a file whose tail, at %i, is not all in what the fragment holds',
    (offset) => {
      bytes.writeUInt32LE(offset, inodeOf('tail') + 16 + 8);
      expectRefusal(/tail lies outside of fragment 0/, ['contents']);
    },
  );

  test('two inodes with one number', () => {
    // Two files with two names each: the second one gets the first one's number everywhere.
    const number = bytes.readUInt32LE(inodeOf('pair-1') + 12);
    bytes.writeUInt32LE(number, inodeOf('pair-2') + 12);
    for (const end of ['', '-again']) {
      const first = entryAt(`pair-1${end}`);
      bytes.copy(bytes, entryAt(`pair-2${end}`) + 2, first + 2, first + 4);
    }
    expectRefusal(/two inodes have number/);
  });

  test.each([
    ['blocks', 'a/bcde'],
    ['blocks', 'nul\0in'],
    ['zz', '..'],
    ['z', '.'],
  ])('an entry %j named %j', (before, name) => {
    bytes.write(name, entryAt(before) + 8, 'latin1');
    expectRefusal(/is no name for a directory entry/);
  });

  test.each([
    ['of another compressor', 20, 1, /method 1; only 6, zstd/],
    ['of another version', 28, 3, /SquashFS 3\.0; only 4\.0/],
    ['of another magic', 0, 0, /does not begin as a SquashFS image/],
    ['without owners', 26, 0, /no owners/],
    ['with blocks of 2 KiB', 22, 11, /block size/],
  ])('a superblock %s', (_, offset, value, reason) => {
    bytes.writeUInt16LE(value, offset);
    expectRefusal(reason);
  });
});
