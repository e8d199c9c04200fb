import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { shell } from '../source/support/scratch.js';
import { content, read } from './read-archive.js';
import { tarArchive, tarHeader, tarPadding } from './tar-builder.js';

describe('sparse files', () => {
  const parts = [
    [1000, 10],
    [5000, 700],
    [9000, 0],
  ] as const;
  const stored = Buffer.concat([Buffer.alloc(10, 'a'), Buffer.alloc(700, 'b')]);
  const expected = Buffer.alloc(9000);
  stored.copy(expected, 1000, 0, 10);
  stored.copy(expected, 5000, 10);

  const octal = (value: number) => `${value.toString(8).padStart(11, '0')}\0`;
  const gnuHeader = (pieces: (readonly [number, number])[], more: boolean, real = 9000) =>
    tarHeader({
      name: 'x',
      type: 'S',
      format: 'gnu',
      size: stored.length,
      patch: (header) => {
        for (const [index, [at, length]] of pieces.entries())
          header.write(octal(at) + octal(length), 386 + 24 * index, 'latin1');
        header[482] = more ? 1 : 0;
        header.write(octal(real), 483, 'latin1');
      },
    });

  function check(archive: Buffer): void {
    for (const step of [1, 100, 512, 65_536]) {
      const [entry, next] = read(archive, step);
      expect(entry).toMatchObject({ name: 'x', kind: 'file', size: 9000 });
      expect(entry && content(archive, entry).equals(expected)).toBe(true);
      expect(next?.name).toBe('next');
    }
  }

  test('old GNU format, in the header', () => {
    check(
      tarArchive([
        gnuHeader([...parts], false),
        stored,
        tarPadding(stored.length),
        { name: 'next' },
      ]),
    );
  });

  test('old GNU format, with extension blocks', () => {
    const block = Buffer.alloc(512);
    for (const [index, [at, length]] of parts.entries())
      block.write(octal(at) + octal(length), 24 * index, 'latin1');
    check(
      tarArchive([
        gnuHeader([[0, 0]], true),
        block,
        stored,
        tarPadding(stored.length),
        { name: 'next' },
      ]),
    );
  });

  const size = ['GNU.sparse.size', '9000'] as [string, string];
  test('PAX 0.0', () => {
    const map = parts.flatMap(([at, length]): [string, string][] => [
      ['GNU.sparse.offset', `${at}`],
      ['GNU.sparse.numbytes', `${length}`],
    ]);
    check(
      tarArchive([
        { name: 'x', content: stored, pax: [size, ['GNU.sparse.numblocks', '3'], ...map] },
        { name: 'next' },
      ]),
    );
  });

  test('PAX 0.1', () => {
    const pax: [string, string][] = [
      size,
      ['GNU.sparse.name', 'x'],
      ['GNU.sparse.map', parts.flat().join(',')],
    ];
    check(tarArchive([{ name: 'GNUSparseFile.1/x', content: stored, pax }, { name: 'next' }]));
  });

  const version1: [string, string][] = [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.name', 'x'],
    ['GNU.sparse.realsize', '9000'],
  ];
  const withMap = (text: string) =>
    Buffer.concat([Buffer.from(text), tarPadding(text.length), stored]);
  test('PAX 1.0, with a short and a long map', () => {
    check(
      tarArchive([
        { name: 'y', content: withMap(`3\n${parts.flat().join('\n')}\n`), pax: version1 },
        { name: 'next' },
      ]),
    );
    const empty = Array.from({ length: 3000 }, () => '0\n0\n').join('');
    check(
      tarArchive([
        {
          name: 'y',
          content: withMap(`3003\n${empty}${parts.flat().join('\n')}\n`),
          pax: version1,
        },
        { name: 'next' },
      ]),
    );
  });

  test.each([
    [
      'overlap',
      [
        [1000, 10],
        [1005, 700],
      ],
      9000,
    ],
    [
      'order',
      [
        [5000, 700],
        [1000, 10],
      ],
      9000,
    ],
    [
      'behind the end',
      [
        [1000, 10],
        [8500, 700],
      ],
      9000,
    ],
    ['less than is stored', [[1000, 10]], 9000],
    [
      'more than ext4 holds',
      [
        [1000, 10],
        [5000, 700],
      ],
      2 ** 32,
    ],
  ] as [string, [number, number][], number][])('refused: %s', (name, pieces, real) => {
    const map = tarArchive([
      {
        name: 'x',
        content: stored,
        pax: [
          ['GNU.sparse.size', `${real * (name === 'more than ext4 holds' ? 2 ** 13 : 1)}`],
          ['GNU.sparse.map', pieces.flat().join(',')],
        ],
      },
    ]);
    expect(() => read(map)).toThrow(/sparse map/);
  });

  test.each(['3\n1\n2\n', 'x\n', '999999999\n', `${'9'.repeat(2000)}`, '1\n0\n10\n5'])(
    'refused map: %j',
    (text) => {
      expect(() =>
        read(tarArchive([{ name: 'y', content: withMap(text), pax: version1 }])),
      ).toThrow(/E?sparse|number|too large/);
    },
  );

  test.each([
    ['gnu', []],
    ['posix', ['--sparse-version=0.0']],
    ['posix', ['--sparse-version=0.1']],
    ['posix', ['--sparse-version=1.0']],
  ])('GNU tar writes %s %j', (format, options) => {
    const directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
    try {
      // Forty pieces: more than the header and one extension block hold.
      shell(
        directory,
        'for i in $(seq 40); do printf $i | dd of=f bs=1 seek=$((i * 100000)) conv=notrunc 2>/dev/null; done; truncate -s 5M f',
      );
      execFileSync('tar', ['-cSf', 'f.tar', `--format=${format}`, ...options, 'f'], {
        cwd: directory,
      });
      const archive = readFileSync(join(directory, 'f.tar'));
      const [entry] = read(archive);
      expect(entry).toMatchObject({ name: 'f', size: 5 * 2 ** 20 });
      expect(entry?.data.length).toBe(40);
      expect(entry && content(archive, entry).equals(readFileSync(join(directory, 'f')))).toBe(
        true,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
