import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeFooter, encodeFooter, FOOTER_SIZE, type Footer } from '#rundle/bundle/footer.js';
import type { Section } from '#rundle/bundle/section.js';
import { decodeTable, encodeTable, tableSize } from '#rundle/bundle/table.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const hash = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((b) => Buffer.from(b).toString('hex'));
const refused = (words: string) =>
  expect.objectContaining({ code: 'E_BUNDLE', message: expect.stringContaining(words) });

const anyFooter = fc
  .record({
    tableOffset: fc.nat({ max: Number.MAX_SAFE_INTEGER - 100_000 }),
    tableSize: fc.nat({ max: 65_536 }),
    gap: fc.nat({ max: 1000 }),
    tableSha256: hash,
  })
  .map(({ gap, ...rest }) => ({
    ...rest,
    fileSize: rest.tableOffset + rest.tableSize + gap + FOOTER_SIZE,
  }));

/** Writes the checksum again, as one who makes a hostile footer would. */
function sign(footer: Buffer): Buffer {
  footer.write(sha256(footer.subarray(0, 96)), 96, 'hex');
  return footer;
}

describe('footer', () => {
  const usual = {
    tableOffset: 70_000,
    tableSize: 80,
    tableSha256: '0'.repeat(64),
    fileSize: 70_208,
  };

  test('comes back as it was', () => {
    fc.assert(
      fc.property(anyFooter, (footer) => {
        const bytes = encodeFooter(footer);
        expect(bytes.length).toBe(FOOTER_SIZE);
        expect(decodeFooter(bytes, footer.fileSize, 'x')).toEqual({ ...footer, minor: 0 });
      }),
    );
  });

  test('any changed byte is noticed', () => {
    fc.assert(
      fc.property(
        anyFooter,
        fc.nat(127),
        fc.integer({ min: 1, max: 255 }),
        (footer, at, change) => {
          const bytes = encodeFooter(footer);
          bytes[at] = (bytes[at] ?? 0) ^ change;
          expect(() => decodeFooter(bytes, footer.fileSize, 'x')).toThrow(refused('reading x'));
        },
      ),
    );
  });

  test('any bytes with a right checksum are refused or in bounds', () => {
    const start = encodeFooter(usual).subarray(0, 16);
    const bytes = fc.uint8Array({ minLength: 80, maxLength: 80 });
    const size = fc.nat({ max: 2 ** 40 });
    fc.assert(
      fc.property(bytes, fc.boolean(), size, fc.nat(70_000), (rest, small, fileSize, tableSize) => {
        const footer = sign(Buffer.concat([start, rest, Buffer.alloc(32)]));
        footer.writeBigUInt64LE(BigInt(fileSize), 64);
        if (small) {
          footer.writeBigUInt64LE(BigInt(Math.max(0, fileSize - tableSize)), 16);
          footer.writeBigUInt64LE(BigInt(tableSize), 24);
        }
        try {
          const found = decodeFooter(sign(footer), fileSize, 'x');
          expect(found.tableOffset + found.tableSize + FOOTER_SIZE).toBeLessThanOrEqual(fileSize);
          expect(found.tableSize).toBeLessThanOrEqual(65_536);
        } catch (error) {
          expect(error).toEqual(refused('reading x'));
        }
      }),
    );
  });

  test.each([
    ['truncated: it has 70000 bytes of 70208, 208 are missing', 70_000],
    ['extended: it has 70209 bytes instead of 70208, 1 too many', 70_209],
  ])('the file is %s', (words, size) => {
    expect(() => decodeFooter(encodeFooter(usual), size, 'x')).toThrow(refused(words));
  });

  test('what each refusal says', () => {
    const decode = (change: (footer: Buffer) => void, seal = true) => {
      const footer = encodeFooter(usual);
      change(footer);
      return () => decodeFooter(seal ? sign(footer) : footer, usual.fileSize, 'x');
    };
    expect(() => decodeFooter(Buffer.alloc(5), 5, 'x')).toThrow(refused('5 bytes are too few'));
    expect(decode((footer) => footer.fill(0, 0, 8))).toThrow(
      refused('no bundle footer at its end'),
    );
    expect(decode((footer) => footer.writeUInt16LE(2, 8), false)).toThrow(refused('version 2.0'));
    expect(decode((footer) => footer.writeUInt16LE(7, 10))).not.toThrow();
    expect(decode((footer) => footer.writeUInt32LE(96, 12))).toThrow(refused('footer size is 96'));
    expect(decode((footer) => footer.fill(1, 40), false)).toThrow(refused('its checksum differs'));
    for (const at of [16, 24, 64]) {
      expect(decode((footer) => footer.fill(0xff, at, at + 8))).toThrow(refused('cannot be'));
    }
    expect(decode((footer) => footer.writeUInt32LE(70_001, 16))).toThrow(refused('cannot be'));
    expect(decode((footer) => footer.writeUInt32LE(65_537, 24))).toThrow(refused('cannot be'));
  });
});

const anySections = fc
  .array(
    fc.record({
      kind: fc.nat(200),
      machine: fc.constantFrom(0, 62, 183, 0xffffffff),
      required: fc.boolean(),
      gap: fc.nat(70_000),
      size: fc.nat(2 ** 40),
      sha256: hash,
    }),
    { minLength: 1, maxLength: 256 },
  )
  .map((list) => {
    let end = 0;
    return list.map(({ gap, ...section }, index): Section => {
      const offset = end + gap;
      end = offset + section.size;
      const known = section.kind >= 1 && section.kind <= 6;
      return { ...section, required: section.required && known, index, offset };
    });
  });

function footerFor(table: Uint8Array, sections: readonly Section[]): Footer {
  const tableOffset = Math.max(...sections.map(({ offset, size }) => offset + size));
  const fileSize = tableOffset + table.length + FOOTER_SIZE;
  return { tableOffset, tableSize: table.length, tableSha256: sha256(table), fileSize, minor: 0 };
}

describe('section table', () => {
  const section = (change: Partial<Section>): Section => ({
    kind: 3,
    machine: 0,
    required: true,
    index: 0,
    offset: 0,
    size: 10,
    sha256: '0'.repeat(64),
    ...change,
  });

  test('comes back as it was', () => {
    fc.assert(
      fc.property(anySections, (sections) => {
        const table = encodeTable(sections);
        expect(table.length).toBe(tableSize(sections.length));
        expect(decodeTable(table, footerFor(table, sections), 'x')).toEqual(sections);
      }),
    );
  });

  test('entries of a later minor version may be longer', () => {
    const sections = [section({}), section({ index: 1, offset: 10 })];
    const table = encodeTable(sections);
    const longer = Buffer.concat([
      table.subarray(0, 16),
      ...[16, 80].flatMap((at) => [table.subarray(at, at + 64), Buffer.alloc(8, 1)]),
    ]);
    longer.writeUInt32LE(72, 12);
    expect(decodeTable(longer, footerFor(longer, sections), 'x')).toEqual(sections);
  });

  test('any bytes with a right checksum are refused or in bounds', () => {
    fc.assert(
      fc.property(
        anySections.filter((list) => list.length < 5),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 6 }),
        fc.nat(2 ** 40),
        (sections, changes, tableOffset) => {
          const table = encodeTable(sections);
          for (const [at, value] of changes) if (at < table.length) table[at] = value;
          const fileSize = tableOffset + table.length + FOOTER_SIZE;
          const footer = { ...footerFor(table, sections), tableOffset, fileSize };
          try {
            let end = 0;
            for (const { offset, size } of decodeTable(table, footer, 'x')) {
              expect(offset).toBeGreaterThanOrEqual(end);
              end = offset + size;
              expect(end).toBeLessThanOrEqual(fileSize - FOOTER_SIZE);
              if (size > 0)
                expect(end <= tableOffset || offset >= tableOffset + table.length).toBe(true);
            }
          } catch (error) {
            expect(error).toEqual(refused('reading x'));
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('what each refusal says', () => {
    const decode = (sections: Section[], change: (table: Buffer) => void = () => undefined) => {
      const table = encodeTable(sections);
      change(table);
      const footer = { ...footerFor(table, [section({ offset: 1000 })]) };
      return () => decodeTable(table, footer, 'x');
    };
    expect(decode([section({})])).not.toThrow();
    expect(() =>
      decodeTable(Buffer.alloc(80), footerFor(Buffer.alloc(79), [section({})]), 'x'),
    ).toThrow(refused('the section table is damaged'));
    expect(decode([section({})], (table) => table.fill(0, 0, 8))).toThrow(
      refused('does not begin'),
    );
    for (const count of [0, 2, 257, 0xffffffff]) {
      expect(decode([section({})], (table) => table.writeUInt32LE(count, 8))).toThrow(
        refused(`${count}`),
      );
    }
    for (const size of [0, 63, 65, 0xffffffff]) {
      expect(decode([section({})], (table) => table.writeUInt32LE(size, 12))).toThrow(
        refused(`entries of ${size}`),
      );
    }
    for (const place of [
      { offset: 1000, size: 11 },
      { offset: 1009 },
      { offset: 2 ** 50 },
      { size: 2 ** 50 },
    ]) {
      expect(decode([section(place)])).toThrow(refused('places the payload at'));
    }
    expect(decode([section({}), section({ index: 1, offset: 9 })])).toThrow(
      refused('places the payload (index 1) at 9, 10 bytes'),
    );
    expect(decode([section({}), section({ offset: 10 })])).toThrow(refused('the payload twice'));
    expect(decode([section({ kind: 9 })])).toThrow(refused('section of kind 9'));
    expect(decode([section({ kind: 8 })])).toThrow(refused('it needs the hash tree'));
    expect(decode([section({ kind: 9, required: false })])).not.toThrow();
    expect(decode([section({})], (table) => table.fill(0xff, 32, 40))).toThrow(
      refused('offset of the payload'),
    );
  });

  test('1 to 256 sections are written', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => section({ index, offset: index * 10 }));
    expect(() => encodeTable([])).toThrow(expect.objectContaining({ code: 'E_UNSUPPORTED' }));
    expect(() => encodeTable(many(257))).toThrow(
      expect.objectContaining({ code: 'E_UNSUPPORTED' }),
    );
    expect(encodeTable(many(256)).length).toBe(16 + 256 * 64);
  });
});
