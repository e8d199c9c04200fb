import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writePayload } from '#rundle/squashfs/writer.js';
import { fromText } from '#rundle/tree/byte-string.js';
import { sampleTree } from '../squashfs/support/trees.js';
import { type Field, fieldsOf, superblockOf, tellingValues } from './image-fields.js';
import { noise } from './sample-tree.js';
import { make, makeScratch, must, run, stub } from './support.js';

const PLAIN = ['-noI', '-noId', '-noD', '-noF', '-noX'];
const MEMORY_KB = 48 * 1024;
const scratch = makeScratch();
const mounted = join(scratch.path, 'mounted');
const images: Record<string, string> = {};

/** What fuse_damage prints for one damaged copy. */
interface Verdict {
  name: string;
  served: boolean;
  /** How often EIO was the answer: to the questions asked inside, and to readers of the mount. */
  inside: number;
  mounted: number;
  memory: number;
  findings: number;
  first: string;
}

/** Bytes to be changed, as fuse_damage takes them. */
function changeOf(field: Field, value: bigint): string {
  const hex = (at: number) => ((value >> BigInt(8 * at)) & 0xffn).toString(16).padStart(2, '0');
  return field.bytes.map((at, i) => `${at}=${hex(i)}`).join(',');
}

const linesOf = (fields: readonly Field[]): string[] =>
  fields.flatMap((field) =>
    tellingValues(field).map((value) => `${field.label} = ${value} ${changeOf(field, value)}`),
  );

function damage(
  build: string,
  image: string,
  lines: readonly string[],
  readers: number,
): Verdict[] {
  const { status, stdout, stderr } = spawnSync(
    join(stub, 'build', build, 'fuse_damage'),
    readers === 0 ? [image] : [image, mounted, String(readers)],
    {
      input: `${lines.join('\n')}\n`,
      encoding: 'latin1',
      maxBuffer: 1 << 28,
      // Threads that wait for the kernel keep their buffers to the end, which is no leak.
      env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0', TSAN_OPTIONS: 'halt_on_error=1' },
    },
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const verdicts = stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [name = '', served, inside, kernel, memory, findings, first = ''] = line.split('\t');
      const counts = [inside, kernel, memory, findings].map(Number) as [
        number,
        number,
        number,
        number,
      ];
      return {
        name,
        served: served === '1',
        inside: counts[0],
        mounted: counts[1],
        memory: counts[2],
        findings: counts[3],
        first,
      };
    });
  expect(verdicts.length).toBe(lines.length);
  return verdicts;
}

/** Whatever a reader meets, --check finds it too and says where: by a path, or the number of an inode or offset. */
function expectFindings(verdicts: readonly Verdict[]): void {
  for (const { name, served, inside, mounted: kernel, findings, first } of verdicts) {
    if (served && inside === 0 && kernel === 0) continue;
    expect(findings, name).toBeGreaterThan(0);
    expect(first, name).toMatch(
      /^payload at 0: (\/.*: the payload is |the payload is .*(\d|owners|begin))/,
    );
  }
}

function expectBounds(verdicts: readonly Verdict[]): void {
  expect(verdicts.filter(({ memory }) => memory > MEMORY_KB)).toEqual([]);
}

function pack(name: string, root: string, ...options: string[]): string {
  const image = join(scratch.path, name);
  const fixed = ['-comp', 'zstd', '-b', '4K', '-nopad', '-quiet', '-no-progress'];
  must(['mksquashfs', root, image, ...fixed, ...options]);
  return image;
}

/** One of everything, few of each: there are thousands of ways to damage it. */
function makeTree(root: string): void {
  const at = (name: string) => join(root, name);
  for (const name of ['', 'alpha', 'alpha/beta', 'empty']) mkdirSync(at(name));
  writeFileSync(at('alpha/blocks'), noise(9000, 'blocks'));
  writeFileSync(at('alpha/beta/tail'), 'tail '.repeat(100));
  writeFileSync(at('other-tail'), 'other '.repeat(100));
  must(['truncate', '-s', '20K', at('hole')]);
  must(['ln', at('other-tail'), at('alpha/link')]);
  must(['mkfifo', at('fifo')]);
  must(['mknod', at('character'), 'c', '1', '3']);
  must(['mknod', at('block'), 'b', '259', '70000']);
  symlinkSync('alpha/blocks', at('symlink'));
  must([
    'python3',
    '-c',
    'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])',
    at('socket'),
  ]);
  for (const name of ['alpha', 'other-tail', 'alpha/blocks'])
    must(['setfattr', '-n', 'user.name', '-v', 'value', at(name)]);
  must(['setfattr', '-n', 'user.long', '-v', 'v'.repeat(300), at('other-tail')]);
  must(['setfattr', '-n', 'user.long', '-v', 'v'.repeat(300), at('alpha/blocks')]);
  for (const name of ['symlink', 'fifo', 'character', 'socket'])
    must(['setfattr', '-h', '-n', 'trusted.kind', '-v', name, at(name)]);
}

beforeAll(async () => {
  make('build/native/fuse_damage', 'build/asan/fuse_damage', 'build/tsan/fuse_damage');
  mkdirSync(mounted);
  makeTree(join(scratch.path, 'tree'));
  images.everything = pack('everything', join(scratch.path, 'tree'), ...PLAIN);
  images.compressed = pack('compressed', join(scratch.path, 'tree'));
  const many = join(scratch.path, 'many');
  mkdirSync(many);
  for (let i = 0; i < 400; i++) writeFileSync(join(many, `an entry with a long name ${i}`), '');
  images.many = pack('with-index', many, ...PLAIN);
  images.written = join(scratch.path, 'written');
  const output = await open(images.written, 'w+');
  const tree = sampleTree();
  tree.children.delete(fromText('many'));
  await writePayload(tree, output, 0, {
    blockSize: 4096,
    level: 3,
    workers: 1,
    buildTime: 0,
  });
  await output.close();
});

afterAll(() => {
  run(['umount', '-l', mounted]);
  scratch.remove();
});

const imageNamed = (name: string): string => images[name] ?? '';
const bytesOf = (name: string): Buffer => readFileSync(imageNamed(name));

describe('every field of every table with values at which checks turn', () => {
  test('an image with one of everything, mounted and read by two processes at once', () => {
    const lines = linesOf(fieldsOf(bytesOf('everything')));
    expect(lines.length).toBeGreaterThan(2000);
    const verdicts = damage('native', imageNamed('everything'), lines, 2);
    expectFindings(verdicts);
    expectBounds(verdicts);
    // Else this tests nothing: most can still be mounted, and many then give EIO somewhere.
    expect(verdicts.filter(({ served }) => served).length).toBeGreaterThan(lines.length / 2);
    expect(verdicts.filter((verdict) => verdict.mounted > 0).length).toBeGreaterThan(
      lines.length / 4,
    );
  });

  test('the same under AddressSanitizer, asked without the kernel', () => {
    const lines = linesOf(fieldsOf(bytesOf('everything')));
    expectFindings(damage('asan', imageNamed('everything'), lines, 0));
  });

  test('a directory with an index', () => {
    const fields = fieldsOf(bytesOf('many')).filter(
      ({ label }, i) => !/entry|inode \d+ \(file\)/.test(label) || i % 600 === 0,
    );
    expect(fields.filter(({ label }) => label.includes('index')).length).toBeGreaterThan(2);
    const lines = linesOf(fields);
    const verdicts = damage('native', imageNamed('many'), lines, 2);
    expectFindings(verdicts);
    expectBounds(verdicts);
    expectFindings(damage('asan', imageNamed('many'), lines, 0));
  });
});

describe.each(['written', 'compressed'])('an image with compressed tables, %s', (name) => {
  /** The superblock's fields, and `count` bytes all over the tables. */
  const linesOfTables = (count: number): string[] => {
    const image = bytesOf(name);
    const lines = linesOf(superblockOf(image));
    const tables = Number(image.readBigUInt64LE(64));
    for (let i = 0; i < count; i++) {
      const at = tables + Math.floor((i * (Number(image.readBigUInt64LE(40)) - tables)) / count);
      const value = image[at] ?? 0;
      for (const other of [value ^ 1, value ^ 0x80, 0, 0xff])
        lines.push(`byte ${at} = ${other} ${at}=${other.toString(16).padStart(2, '0')}`);
    }
    return lines;
  };

  test('mounted and read by two processes at once', () => {
    const verdicts = damage('native', imageNamed(name), linesOfTables(60), 2);
    expectFindings(verdicts);
    expectBounds(verdicts);
    expect(verdicts.filter((verdict) => verdict.mounted > 0).length).toBeGreaterThan(50);
  });

  test('under AddressSanitizer, asked without the kernel', () => {
    expectFindings(damage('asan', imageNamed(name), linesOfTables(150), 0));
  });
});

describe('structures that no writer makes', () => {
  /** The fields of one object by name, of the image with one of everything. */
  const field = (label: string): Field => {
    const found = fieldsOf(bytesOf('everything')).find((candidate) => candidate.label === label);
    if (found === undefined) throw new Error(`no ${label}`);
    return found;
  };
  const inodeOf = (kind: string, matches: (number: number) => boolean): number => {
    for (const { label } of fieldsOf(bytesOf('everything'))) {
      const [, number, type] = /^inode (\d+) \((\w+)\): type$/.exec(label) ?? [];
      if (type === kind && matches(Number(number))) return Number(number);
    }
    throw new Error(`no such ${kind}`);
  };

  test('a directory inside the one below it, with all numbers made to fit', () => {
    const image = bytesOf('everything');
    const parentOf = (number: number) => Number(field(`inode ${number} (directory): parent`).value);
    const reference = Number(image.readBigUInt64LE(32));
    const root = Number(image.readUInt32LE(4));
    expect(parentOf(root)).toBe(root + 1);
    const alpha = inodeOf('directory', (number) => parentOf(number) === root && hasEntries(number));
    // The first entry of alpha becomes the root, and the root says that it lies in alpha.
    const entry = (name: string) => field(`listing of inode ${alpha}: run 0 entry 0 ${name}`);
    const base = field(`listing of inode ${alpha}: run 0 number`);
    const block = field(`listing of inode ${alpha}: run 0 block`);
    const changes = [
      changeOf(entry('offset'), BigInt(reference & 0xffff)),
      changeOf(entry('number'), (BigInt(root) - base.value) & 0xffffn),
      changeOf(entry('type'), 1n),
      changeOf(block, BigInt(Math.floor(reference / 65536))),
      changeOf(field(`inode ${root} (directory): parent`), BigInt(alpha)),
    ].join(',');
    const [verdict] = damage('native', imageNamed('everything'), [`loop ${changes}`], 2);
    expect(verdict?.served).toBe(true);
    expect(verdict?.mounted).toBeGreaterThan(0);
    expect(verdict?.first).toMatch(
      /\/alpha\/.*: the payload is corrupt: .*(two places|lie in front)/,
    );
  });

  function hasEntries(number: number): boolean {
    return fieldsOf(bytesOf('everything')).some(
      ({ label }) => label === `listing of inode ${number}: run 0 count`,
    );
  }

  test.each([
    ['a file without links', 'nlink', 0n, /no links/],
    ['a file larger than positions can be', 'size', (1n << 63n) + 5n, /a file of \d+ bytes/],
    ['a file of 2^62 bytes', 'size', 1n << 62n, /a file of \d+ bytes/],
    ['a file whose data lie behind the image', 'start', 1n << 40n, /a file of \d+ bytes at/],
    ['a file in a fragment that is not there', 'fragment', 77n, /fragment 77 offset/],
  ])('%s', (_, name, value, reason) => {
    const long = inodeOf('file', (number) =>
      fieldsOf(bytesOf('everything')).some(
        ({ label, bytes }) => label === `inode ${number} (file): size` && bytes.length === 8,
      ),
    );
    const changed = field(`inode ${long} (file): ${name}`);
    const lines = [`${name} ${changeOf(changed, value)}`];
    const [verdict] = damage('native', imageNamed('everything'), lines, 2);
    expect(verdict?.mounted).toBeGreaterThan(0);
    expect(verdict?.first).toMatch(reason);
  });
});

describe('several readers do not race in the server', () => {
  test('of an image with one of everything', () => {
    const fields = fieldsOf(bytesOf('everything')).filter(
      ({ label }) => !label.startsWith('superblock'),
    );
    const lines = linesOf(fields).filter((_, i) => i % 300 === 0);
    damage('tsan', imageNamed('everything'), ['sound 0=68', ...lines], 4);
  });

  test('of large blocks, which are decoded ahead and in part', () => {
    const large = join(scratch.path, 'large');
    mkdirSync(large);
    for (const name of ['a', 'b', 'c'])
      writeFileSync(join(large, name), Buffer.alloc(3_300_000, noise(50_000, name)));
    for (let i = 0; i < 40; i++) writeFileSync(join(large, `tail-${i}`), noise(30_000, `${i}`));
    const image = pack('large.sqfs', large, '-b', '1M');
    const flips = Array.from({ length: 4 }, (_, i) => `byte ${i} ${5000 + i * 18_000}=5a`);
    damage('tsan', image, ['sound 0=68', 'sound 0=68', ...flips], 4);
  });
});
