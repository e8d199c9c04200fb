import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeBundle, type SampleOptions, type SampleSection } from './sample-bundle.js';
import { noise } from './sample-tree.js';
import { make, makeScratch, must, type Outcome, run, stub } from './support.js';

const tool = join(stub, 'build/asan/bundle_tool');
const scratch = makeScratch();
let sections: SampleSection[];

let files = 0;
function save(bytes: Buffer): string {
  const path = join(scratch.path, `${files++}.run`);
  writeFileSync(path, bytes);
  return path;
}

const show = (bytes: Buffer, ...size: string[]): Outcome =>
  run([tool, 'show', save(bytes), ...size]);

beforeAll(() => {
  make('build/asan/bundle_tool');
  const tree = join(scratch.path, 'tree');
  mkdirSync(tree);
  writeFileSync(join(tree, 'file'), 'compressible '.repeat(20_000));
  writeFileSync(join(tree, 'small'), 'small');
  const image = join(scratch.path, 'image.sqfs');
  must(['mksquashfs', tree, image, '-comp', 'zstd', '-quiet', '-no-progress']);
  sections = [
    { kind: 1, bytes: Buffer.alloc(4096, '#!/bin/sh\n') },
    { kind: 2, arch: 62, bytes: noise(5000, 'launcher') },
    { kind: 2, arch: 183, bytes: noise(6000, 'launcher 2') },
    { kind: 3, flags: 1, bytes: Buffer.from(must(['cat', image]), 'latin1'), align: 65536 },
    { kind: 4, arch: 62, flags: 1, bytes: Buffer.from('arch=x86_64\0root=/\0') },
    { kind: 5, bytes: Buffer.from('{}') },
  ];
});

afterAll(scratch.remove);

describe('SHA-256', () => {
  test.each([0, 1, 55, 56, 63, 64, 65, 1000, 100_003])(
    'of %i bytes, in pieces of any size',
    (length) => {
      const bytes = noise(length, 'hash');
      const path = save(bytes);
      for (const piece of [1, 63, 64, 65, 4096])
        expect(must([tool, 'sha256', path, String(piece)])).toBe(
          `${createHash('sha256').update(bytes).digest('hex')}\n`,
        );
    },
  );
});

describe('a sound bundle', () => {
  test('every section is found where it is', () => {
    const bytes = makeBundle(sections);
    const [head, ...lines] = must([tool, 'show', save(bytes), String(bytes.length)])
      .trimEnd()
      .split('\n');
    expect(head).toMatch(new RegExp(`^size ${bytes.length} table \\d+ ${16 + 6 * 64}$`));
    const found = lines.map((line) => {
      const [kind, arch, flags, index, offset = '0', size = '0', sha256] = line.split(' ');
      const part = bytes.subarray(Number(offset), Number(offset) + Number(size));
      expect(createHash('sha256').update(part).digest('hex')).toBe(sha256);
      return [kind, arch, flags, index].map(Number);
    });
    expect(found).toEqual(sections.map((s) => [s.kind, s.arch ?? 0, s.flags ?? 0, 0]));
    const path = save(bytes);
    expect(must([tool, 'read', path, '4', '62', '1000'])).toBe('arch=x86_64\0root=/\0');
    expect(run([tool, 'read', path, '4', '62', '10']).stderr).toContain('19 bytes, at most 10');
    expect(run([tool, 'read', path, '4', '183', '10']).stderr).toContain('no such section');
  });

  test('a later minor version with longer entries, and an unknown section, are read', () => {
    const later = [...sections, { kind: 99, bytes: Buffer.from('signature') }];
    const { status, stdout } = show(makeBundle(later, { minor: 7, entrySize: 96 }));
    expect(status).toBe(0);
    expect(stdout.split('\n')).toHaveLength(9);
  });

  test('--check says so', () => {
    const path = save(makeBundle(sections));
    expect(must([tool, 'check', path])).toBe('ok\n');
    const report = JSON.parse(must([tool, 'check', path, 'json']));
    expect(report).toMatchObject({ ok: true, sections: 6, faults: [] });
  });
});

test('the fixture that the builder decodes too', () => {
  const folder = new URL('../fixtures/trailer/', import.meta.url);
  const lines = readFileSync(new URL('expected.txt', folder), 'utf8').trimEnd().split('\n');
  const expected = new Map(lines.map((line) => line.split(/=(.*)/, 2) as [string, string]));
  const hole = Buffer.alloc(Number(expected.get('tail_offset')));
  const tail = Buffer.from(
    readFileSync(new URL('tail.hex', folder), 'latin1').replaceAll('\n', ''),
    'hex',
  );
  const shown = must([
    tool,
    'show',
    save(Buffer.concat([hole, tail])),
    `${expected.get('file_size')}`,
  ]);
  const [head, ...entries] = shown.trimEnd().split('\n');
  const value = (key: string) => expected.get(key);
  expect(head).toBe(
    `size ${value('file_size')} table ${value('table_offset')} ${value('table_size')}`,
  );
  const keys = ['kind', 'arch', 'flags', 'index', 'offset', 'size', 'sha256'];
  expect(entries).toEqual(
    Array.from({ length: Number(value('sections')) }, (_, i) =>
      keys.map((key) => value(`section.${i}.${key}`)).join(' '),
    ),
  );
});

describe('a bundle that is refused', () => {
  const refused: [string, SampleOptions, RegExp][] = [
    ['another major version', { major: 2 }, /format version 2\.0 is unknown/],
    [
      'a table outside',
      { footer: (f) => f.writeBigUInt64LE(1n << 40n, 16) },
      /section table at 1099511627776/,
    ],
    [
      'a table without end',
      { footer: (f) => f.writeBigUInt64LE((1n << 64n) - 1n, 24) },
      /cannot be/,
    ],
    ['another footer size', { footer: (f) => f.writeUInt32LE(256, 12) }, /damaged/],
    ['another table hash', { footer: (f) => f.fill(1, 32, 64) }, /section table is damaged/],
    ['another table magic', { table: (t) => t.fill(0, 0, 8) }, /malformed/],
    ['no entries', { table: (t) => t.writeUInt32LE(0, 8) }, /malformed/],
    ['too many entries', { table: (t) => t.writeUInt32LE(257, 8) }, /malformed/],
    ['short entries', { table: (t) => t.writeUInt32LE(32, 12) }, /malformed/],
    [
      'an unknown required section',
      {
        table: (t) => {
          t.writeUInt32LE(7, 16 + 5 * 64);
          t.writeUInt32LE(1, 24 + 5 * 64);
        },
      },
      /needs section kind 7/,
    ],
    [
      'a section outside',
      { table: (t) => t.writeBigUInt64LE(1n << 62n, 16 + 5 * 64 + 24) },
      /manifest .*overlaps or lies outside/,
    ],
    [
      'a size that wraps around',
      { table: (t) => t.writeBigUInt64LE((1n << 64n) - 1n, 16 + 5 * 64 + 24) },
      /overlaps or lies outside/,
    ],
    [
      'an offset that wraps around',
      { table: (t) => t.writeBigUInt64LE((1n << 64n) - 1n, 16 + 5 * 64 + 16) },
      /overlaps or lies outside/,
    ],
    [
      'sections that overlap',
      { table: (t) => t.writeBigUInt64LE(4000n, 16 + 64 + 16) },
      /launcher .*overlaps/,
    ],
    [
      'the same section twice',
      { table: (t) => t.writeUInt32LE(62, 16 + 2 * 64 + 4) },
      /same launcher twice/,
    ],
  ];
  test.each(refused)('%s', (_, options, reason) => {
    const { status, stderr } = show(makeBundle(sections, options));
    expect(status).toBe(2);
    expect(stderr).toMatch(reason);
  });

  test('truncated or extended: both sizes are named', () => {
    const bytes = makeBundle(sections);
    const short = bytes.subarray(0, bytes.length - 1000);
    const long = Buffer.concat([bytes, Buffer.from('more')]);
    const size = String(bytes.length);
    expect(show(short, size).stderr).toContain(
      `truncated: it has ${short.length} bytes of ${size}, 1000 are missing`,
    );
    expect(show(long, size).stderr).toContain(
      `extended: it has ${long.length} bytes instead of ${size}, 4 too many`,
    );
    for (const damaged of [short, long, Buffer.alloc(0), Buffer.alloc(128)])
      expect(show(damaged).status).toBe(2);
    // The footer was moved along: it says what the size was.
    const cut = Buffer.concat([bytes.subarray(0, 4096), bytes.subarray(8192)]);
    expect(show(cut).stderr).toContain('4096 are missing');
  });

  test('what is no regular file', () => {
    const fifo = join(scratch.path, 'fifo');
    must(['mkfifo', fifo]);
    expect(run([tool, 'show', fifo]).stderr).toContain('not a regular file');
    expect(run([tool, 'show', scratch.path]).stderr).toContain('not a regular file');
    expect(run([tool, 'show', join(scratch.path, 'missing')]).stderr).toContain('No such file');
  });
});

describe('--check', () => {
  const names = ['header', 'launcher', 'launcher', 'payload', 'launch config', 'manifest'];

  test('one byte changed anywhere is found, and the section named', () => {
    const sound = makeBundle(sections);
    const lines = must([tool, 'show', save(sound)])
      .trimEnd()
      .split('\n')
      .slice(1);
    for (const [i, name] of names.entries()) {
      const [, , , , offset = '0', size = '0'] = lines[i]?.split(' ') ?? [];
      for (const at of [0, Math.floor(Number(size) / 2), Number(size) - 1]) {
        const bytes = Buffer.from(sound);
        bytes[Number(offset) + at] = (bytes[Number(offset) + at] ?? 0) ^ 0x10;
        const { status, stdout } = run([tool, 'check', save(bytes)]);
        expect(status).toBe(1);
        expect(stdout).toMatch(new RegExp(`^${name} at ${offset}: the SHA-256`));
      }
    }
  });

  test('padding that is not zero is found, wherever it is', () => {
    const sound = makeBundle(sections);
    const lines = must([tool, 'show', save(sound)])
      .trimEnd()
      .split('\n')
      .slice(1);
    const ends = lines.map((line) => Number(line.split(' ')[4]) + Number(line.split(' ')[5]));
    for (const at of [
      ends[1] ?? 0,
      (ends[1] ?? 0) + 100,
      (ends[2] ?? 0) + 1,
      ends[4] ?? 0,
      ends[5] ?? 0,
    ]) {
      const bytes = Buffer.from(sound);
      expect(bytes[at]).toBe(0);
      bytes[at] = 1;
      const { status, stdout } = run([tool, 'check', save(bytes)]);
      expect([status, stdout]).toEqual([1, `padding at ${at}: not zero\n`]);
    }
  });

  test('the damaged file is named, also in JSON', () => {
    const sound = makeBundle(sections);
    const bytes = Buffer.from(sound);
    // The first data block follows the superblock and begins with zstd's magic number.
    bytes.fill(0, 65536 + 96, 65536 + 104);
    const { status, stdout } = run([tool, 'check', save(bytes), 'json']);
    expect(status).toBe(1);
    const report = JSON.parse(stdout) as {
      ok: boolean;
      faults: { section: string; message: string }[];
    };
    expect(report.ok).toBe(false);
    expect(report.faults.map((fault) => fault.section)).toEqual(['payload', 'payload']);
    expect(report.faults[1]?.message).toContain('/file: the payload is corrupt: data block at 96');
  });
});

test('footers and tables damaged in a thousand ways are read or refused', () => {
  const path = save(makeBundle(sections.slice(0, 2).concat(sections.slice(4))));
  for (const seed of [1, 2, 3])
    expect(must([tool, 'mutate', path, String(seed), '1000'])).toMatch(
      /^\d+ of 1000 could be opened\n$/,
    );
});
