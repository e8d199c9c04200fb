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

function pack(name: string, ...options: string[]): string {
  const image = join(scratch.path, name);
  must([
    'mksquashfs',
    tree,
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
    const image = pack(name, ...options);
    const mutate = join(stub, 'build/asan/payload_mutate');
    const out = join(scratch.path, `out of ${name}`);
    mkdirSync(out);
    const printed = must(['env', limits, mutate, image, '1', '800', out]);
    const [opened] = /^\d+/.exec(printed) ?? [];
    // Most damage must get past the superblock, else this tests nothing.
    expect(Number(opened)).toBeGreaterThan(300);
    expect(must(['ls', '-A', out])).toBe('');
  });
});

test('every truncation is refused, or what is missing is', () => {
  const bytes = readFileSync(pack('truncated', ...plain));
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
    image = pack('crafted', ...plain);
  });
  beforeEach(() => {
    bytes = readFileSync(image);
  });

  function expectRefusal(reason: RegExp): void {
    const path = join(scratch.path, 'changed');
    const out = join(scratch.path, 'out of changed');
    writeFileSync(path, bytes);
    mkdirSync(out, { recursive: true });
    for (const verb of [['list'], ['extract', out]]) {
      const [name = '', ...rest] = verb;
      const { status, stderr } = run(['env', limits, tool, name, path, ...rest]);
      expect(status).toBe(1);
      expect(stderr).toMatch(reason);
    }
    const checked = run(['env', limits, tool, 'check', path]);
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

  test('a directory inside itself', () => {
    const inner = entryAt('inner');
    const outer = entryAt('other');
    bytes.copy(bytes, inner, outer, outer + 2);
    expectRefusal(/inode disagree|another parent|two places/);
  });

  test('a directory that is its own child, with all numbers made to fit', () => {
    // /many/… is a listing of its own: let its first entry be "many" itself, under its number and parent.
    const entry = entryAt('entry number 0');
    const many = entryAt('many');
    const offset = bytes.readUInt16LE(many);
    const inode = Number(bytes.readBigUInt64LE(64)) + 2 + offset;
    const number = bytes.readUInt32LE(inode + 12);
    bytes.writeUInt32LE(number, inode + 16 + 12); // parent: itself
    bytes.writeUInt16LE(offset, entry);
    bytes.writeUInt16LE(1, entry + 4);
    expectRefusal(/another parent|two places|inode disagree/);
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
