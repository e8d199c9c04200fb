import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TarEntry } from '#rundle/layer/tar-entry.js';
import { content, read, readOne } from './read-archive.js';
import { gnuLongMember, paxRecords, tarArchive, tarMember } from './tar-builder.js';

describe('properties', () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 80 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))));
  const path = fc
    .array(name, { minLength: 1, maxLength: 6 })
    .map((names) => Buffer.concat(names.flatMap((part) => [Buffer.from('/'), part])).subarray(1));
  const entry = fc.record({
    name: path,
    content: fc.uint8Array({ maxLength: 1500 }),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    gid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    mtime: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    xattr: fc.option(fc.uint8Array({ maxLength: 100 })),
  });

  test('what is written is read, whatever the pieces', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 8 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.nat(10_000),
        (specs, step, origin) => {
          const archive = tarArchive(
            specs.map(({ xattr, ...fields }) => ({
              ...fields,
              pax: xattr ? [['SCHILY.xattr.user.x', xattr]] : [],
            })),
          );
          const entries = read(archive, step, origin);
          expect(entries.length).toBe(specs.length);
          for (const [index, spec] of specs.entries()) {
            const found = entries[index] as TarEntry;
            expect(Buffer.from(found.name, 'latin1').equals(spec.name)).toBe(true);
            expect([found.mode, found.uid, found.gid, found.mtime]).toEqual([
              spec.mode,
              spec.uid,
              spec.gid,
              spec.mtime,
            ]);
            const moved = {
              ...found,
              data: found.data.map((part) => ({ ...part, offset: part.offset - origin })),
            };
            expect(content(archive, moved).equals(Buffer.from(spec.content))).toBe(true);
            const value = found.xattrs?.values().next().value;
            expect(value ? Buffer.from(value).toString('hex') : null).toBe(
              spec.xattr ? Buffer.from(spec.xattr).toString('hex') : null,
            );
          }
        },
      ),
    );
  });

  test('GNU tar reads what the builder writes, names byte for byte', () => {
    const archive = tarArchive([
      { name: Buffer.from([0xff, 0x61]), content: 'x' },
      { name: `${'d/'.repeat(80)}x` },
    ]);
    const listed = execFileSync(
      'tar',
      ['-t', '--quoting-style=literal', '--show-transformed-names'],
      { input: archive },
    );
    expect(listed.toString('latin1').trim().split('\n')).toEqual(
      read(archive).map((found) => found.name),
    );
  });

  test('damaged archives give an error or entries that lie inside, never anything else', () => {
    const sound = tarArchive([
      {
        name: 'a',
        content: 'x'.repeat(700),
        pax: [
          ['SCHILY.xattr.user.x', 'y'],
          ['mtime', '5.5'],
        ],
      },
      gnuLongMember('L', 'n'.repeat(300)),
      { name: 'n', content: 'z' },
      {
        name: 'x',
        content: Buffer.alloc(710),
        pax: [
          ['GNU.sparse.size', '9000'],
          ['GNU.sparse.map', '1000,10,5000,700'],
        ],
      },
    ]);
    // Headers get a right checksum again, so that the damage reaches the fields behind it.
    const repair = (archive: Buffer) => {
      for (let at = 0; at + 512 <= archive.length; at += 512) {
        if (archive.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
        let sum = 256;
        for (let index = 0; index < 512; index += 1)
          if (index < 148 || index > 155) sum += archive[at + index] ?? 0;
        archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
      }
    };
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const archive = Buffer.from(sound);
          for (const [at, value] of changes) archive[at] = value;
          repair(archive);
          try {
            for (const { data, size } of read(archive)) {
              for (const { at, length, offset } of data) {
                expect(at + length).toBeLessThanOrEqual(size);
                expect(offset + length).toBeLessThanOrEqual(archive.length);
              }
            }
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(/^E_(FORMAT|LAYER|UNSUPPORTED)$/);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('records of any bytes are read back', () => {
    const value = fc.uint8Array({ maxLength: 2000 });
    fc.assert(
      fc.property(value, (bytes) => {
        const body = paxRecords([['SCHILY.xattr.user.v', bytes]]);
        const found = readOne(tarMember({ name: 'p', type: 'x' }, body), { name: 'x' });
        expect(
          Buffer.from(found.xattrs?.values().next().value ?? []).equals(Buffer.from(bytes)),
        ).toBe(true);
      }),
    );
  });
});
