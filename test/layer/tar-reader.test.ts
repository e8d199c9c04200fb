import { describe, expect, test } from 'vitest';
import { read, readOne } from './read-archive.js';
import {
  type EntryFields,
  gnuLongMember,
  paxMember,
  tarArchive,
  tarHeader,
  tarMember,
  tarPadding,
} from './tar-builder.js';

describe('header formats', () => {
  test('version 7: no magic, a slash makes a directory', () => {
    const v7 = { format: 'v7', type: '\0', mode: 0o640, uid: 5, gid: 6, mtime: 7 } as const;
    expect(readOne({ ...v7, name: 'a', content: 'xyz' })).toMatchObject({
      name: 'a',
      kind: 'file',
      mode: 0o640,
      uid: 5,
      gid: 6,
      mtime: 7,
      size: 3,
      data: [{ at: 0, length: 3, offset: 512 }],
    });
    expect(readOne({ ...v7, name: 'a/' }).kind).toBe('directory');
    expect(readOne({ name: 'a/', type: '0' }).kind).toBe('file');
  });

  test('ustar prefix; GNU headers and star have something else there', () => {
    expect(readOne({ name: 'b', prefix: 'a' }).name).toBe('a/b');
    expect(readOne({ name: 'b', prefix: 'a', format: 'gnu' }).name).toBe('b');
    const star = (header: Buffer) => {
      header.write('13371337', 476, 'latin1');
      header.write('tar\0', 508, 'latin1');
    };
    expect(readOne({ name: 'b', prefix: 'p'.repeat(131), patch: star }).name).toBe(
      `${'p'.repeat(131)}/b`,
    );
    const full = { name: 'n'.repeat(100), prefix: 'p'.repeat(155) };
    expect(readOne(full).name).toBe(`${full.prefix}/${full.name}`);
  });

  test('all kinds, and setuid, setgid and sticky bits without the type bits', () => {
    const kinds = ['0', '2', '3', '4', '5', '6', '7'].map(
      (type) => readOne({ name: 'x', type, linkName: 'y', mode: 0o107755 }).kind,
    );
    expect(kinds).toEqual([
      'file',
      'symlink',
      'character-device',
      'block-device',
      'directory',
      'fifo',
      'file',
    ]);
    expect(readOne({ name: 'x', mode: 0o107755 }).mode).toBe(0o7755);
    expect(readOne({ name: 'x', type: '1', linkName: 'y', size: 99 })).toMatchObject({
      kind: 'hard-link',
      linkName: 'y',
      size: 0,
    });
  });

  test('base-256 numbers, also negative', () => {
    expect(readOne({ name: 'x', uid: 2 ** 31, gid: 2 ** 32 - 1, mtime: -5 })).toMatchObject({
      uid: 2 ** 31,
      gid: 2 ** 32 - 1,
      mtime: -5,
    });
    expect(readOne({ name: 'x', mtime: 2 ** 40 }).mtime).toBe(2 ** 40);
  });

  test('a checksum over signed bytes is accepted, any other is not', () => {
    const name = Buffer.from([0xff, 0xfe]);
    const block = tarHeader({ name });
    let signed = 8 * 32;
    for (const [at, byte] of block.entries())
      if (at < 148 || at >= 156) signed += (byte << 24) >> 24;
    expect(readOne({ name, checksum: signed }).name).toBe('\xff\xfe');
    expect(() => readOne({ name, checksum: signed + 1 })).toThrow(/checksum/);
  });
});

describe('extensions', () => {
  test('PAX records override the header, the last of a key counts, an empty one takes it back', () => {
    const pax: [string, string | Buffer][] = [
      ['path', 'wrong'],
      ['path', 'läng'],
      ['uid', '4000000000'],
      ['gid', '7'],
      ['gid', ''],
      ['mtime', '1234567890.987'],
      ['comment', 'none'],
      ['SCHILY.xattr.user.bin', Buffer.from([0, 10, 61, 255])],
      ['SCHILY.xattr.user.none', ''],
      ['LIBARCHIVE.xattr.user.%25', 'AAE='],
      ['LIBARCHIVE.xattr.user.bin', 'AAE='],
      ['RHT.security.selinux', 'label'],
      ['SCHILY.acl.access', 'user::rw-'],
    ];
    const entry = readOne({ name: 'x', gid: 9, pax });
    expect(entry).toMatchObject({
      name: Buffer.from('läng').toString('latin1'),
      uid: 4000000000,
      gid: 9,
      mtime: 1234567890,
      dropped: ['POSIX ACL'],
    });
    const xattrs = Object.fromEntries(
      [...(entry.xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('hex')]),
    );
    expect(xattrs).toEqual({
      'user.bin': '000a3dff',
      'user.none': '',
      'user.%': '0001',
      'security.selinux': Buffer.from('label').toString('hex'),
    });
  });

  test.each([
    ['-1', -1],
    ['-1.5', -2],
    ['-0', 0],
    ['-0.1', -1],
    ['0.9', 0],
    ['5.', 5],
  ])('the time %s is second %i', (text, second) => {
    expect(Object.is(readOne({ name: 'x', pax: [['mtime', text]] }).mtime, second)).toBe(true);
  });

  test('global records hold until they are overridden', () => {
    const archive = tarArchive([
      paxMember(
        [
          ['uid', '11'],
          ['SCHILY.xattr.user.g', 'g'],
        ],
        'g',
      ),
      { name: 'a' },
      { name: 'b', pax: [['uid', '12']] },
      paxMember([['uid', '13']], 'g'),
      { name: 'c' },
    ]);
    const entries = read(archive);
    expect(entries.map(({ uid }) => uid)).toEqual([11, 12, 13]);
    expect(entries.every(({ xattrs }) => xattrs?.size === 1)).toBe(true);
  });

  test('GNU long names and links are for the next entry only; PAX wins over them', () => {
    const long = `${'d/'.repeat(100)}x`;
    const entries = read(
      tarArchive([
        gnuLongMember('L', long),
        gnuLongMember('K', `${long}t`),
        { name: 'cut', type: '2', linkName: 'cut', format: 'gnu' },
        { name: 'next', type: '2', linkName: 'to' },
        gnuLongMember('L', long),
        { name: 'cut', pax: [['path', 'pax']] },
      ]),
    );
    expect(entries.map(({ name, linkName }) => [name, linkName])).toEqual([
      [long, `${long}t`],
      ['next', 'to'],
      ['pax', ''],
    ]);
  });

  test('a PAX size is the length of the data', () => {
    const archive = tarArchive([
      paxMember([['size', '600']]),
      tarHeader({ name: 'x', size: 0 }),
      Buffer.alloc(600, 'y'),
      tarPadding(600),
      { name: 'z' },
    ]);
    expect(read(archive).map(({ name, size }) => [name, size])).toEqual([
      ['x', 600],
      ['z', 0],
    ]);
  });
});

describe('the end and damage', () => {
  test('an archive may end without zeros, with one block of them, or with anything behind two', () => {
    const whole = tarArchive([{ name: 'a', content: 'x' }]);
    expect(read(whole.subarray(0, 1024))).toHaveLength(1);
    expect(read(whole.subarray(0, 1536))).toHaveLength(1);
    expect(read(Buffer.concat([whole, Buffer.from('anything')]))).toHaveLength(1);
    expect(read(Buffer.alloc(0))).toEqual([]);
  });

  test.each([1, 511, 513, 1000, 1023])('cut off after %i bytes', (length) => {
    const whole = tarArchive([{ name: 'a', content: 'x' }]);
    expect(() => read(whole.subarray(0, length))).toThrow(/ends inside an entry/);
  });

  test('cut off between an extension and its entry', () => {
    expect(() => read(paxMember([['path', 'x']]))).toThrow(/ends inside an entry/);
    expect(() => read(gnuLongMember('L', 'x'))).toThrow(/ends inside an entry/);
  });

  test.each([
    [
      'not a number',
      { patch: (h: Buffer) => h.write('9', 124) },
      /size of an entry is not a number/,
    ],
    ['negative size', { size: -1 }, /size is -1/],
    [
      'size beyond doubles',
      { patch: (h: Buffer) => h.fill(0x7f, 125, 136) && h.writeUInt8(0x80, 124) },
      /size .* not a number/,
    ],
    ['negative owner', { uid: -1 }, /owner is -1/],
    ['owner', { pax: [['uid', '4294967296']] }, /owner is 4294967296/],
    ['time', { pax: [['mtime', '1e5']] }, /time is not a number/],
    ['device', { type: '3', major: 4096 }, /major number is 4096/],
    ['NUL in a name', { pax: [['path', 'a\0b']] }, /NUL/],
    ['attribute without name', { pax: [['SCHILY.xattr.', 'x']] }, /extended attribute/],
    [
      'attribute too large',
      { pax: [['SCHILY.xattr.user.x', 'x'.repeat(65_537)]] },
      /extended attribute/,
    ],
    [
      'sparse version',
      {
        pax: [
          ['GNU.sparse.major', '2'],
          ['GNU.sparse.minor', '0'],
        ],
      },
      /unknown format 2.0/,
    ],
  ] as [string, EntryFields, RegExp][])('refused: %s', (_, fields, message) => {
    expect(() => readOne({ name: 'x', ...fields })).toThrow(message);
  });

  test.each([
    '5 a=b\n',
    '6 a=b',
    '0 a=b\n',
    '6 abc\n',
    '5 =b\n',
    '999 a=b\n',
    'x',
    '-6 a=b\n',
    '6\ta=b\n',
  ])('malformed PAX header %j', (body) => {
    expect(() =>
      read(tarArchive([tarMember({ name: 'p', type: 'x' }, body), { name: 'x' }])),
    ).toThrow(/PAX/);
  });

  test('extended headers have a bound', () => {
    for (const type of ['x', 'g', 'L', 'K']) {
      const header = tarHeader({ name: 'p', type, size: 2 ** 20 + 1 });
      expect(() => read(header)).toThrow(/too large/);
    }
    const many = Array.from({ length: 40 }, (_, index) =>
      paxMember([[`k${index}`, 'v'.repeat(30_000)]], 'g'),
    );
    expect(() => read(tarArchive(many))).toThrow(/too large/);
  });

  test('an entry behind a single block of zeros', () => {
    expect(() => read(Buffer.concat([Buffer.alloc(512), tarArchive([{ name: 'a' }])]))).toThrow(
      /zeros/,
    );
  });
});
