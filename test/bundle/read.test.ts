import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assembleBundle, type BundleSummary } from '#rundle/bundle/assemble.js';
import { checkBundle } from '#rundle/bundle/check.js';
import { encodeFooter } from '#rundle/bundle/footer.js';
import { openBundle } from '#rundle/bundle/read.js';
import { type Section, sectionName } from '#rundle/bundle/section.js';
import { encodeTable } from '#rundle/bundle/table.js';
import { makeWorkshop, request } from './support.js';

const workshop = makeWorkshop();
const path = join(workshop.directory, 'whole.run');
const copy = join(workshop.directory, 'copy.run');
let summary: BundleSummary;

beforeAll(async () => {
  summary = await assembleBundle(request(workshop, path));
});
afterAll(() => workshop.remove());

const refused = (words: string) =>
  expect.objectContaining({ code: 'E_BUNDLE', message: expect.stringContaining(words) });

function flip(at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(copy, bytes);
}

/** The bundle with another table, its footer made anew; `contents` replaces bytes of sections. */
function rewrite(
  change: (sections: Section[]) => Section[],
  contents: [number, Buffer][] = [],
): void {
  const bytes = readFileSync(path);
  for (const [at, data] of contents) data.copy(bytes, at);
  const table = encodeTable(change(summary.sections.map((section) => ({ ...section }))));
  const old = bytes.length - 128;
  const tableOffset = bytes.readUInt32LE(old + 16);
  const footer = encodeFooter({
    tableOffset,
    tableSize: table.length,
    tableSha256: createHash('sha256').update(table).digest('hex'),
    fileSize: tableOffset + table.length + 128,
  });
  writeFileSync(copy, Buffer.concat([bytes.subarray(0, tableOffset), table, footer]));
}

test('one changed byte is found, wherever it is', async () => {
  for (const section of summary.sections) {
    for (const at of [section.offset, section.offset + section.size - 1]) {
      flip(at);
      const faults = await checkBundle(copy);
      expect(faults.map(({ part }) => part)).toEqual([sectionName(section)]);
    }
  }
  let end = 0;
  let gaps = 0;
  for (const { offset, size } of summary.sections) {
    if (offset > end) {
      gaps += 1;
      for (const at of [end, offset - 1]) {
        flip(at);
        expect(await checkBundle(copy)).toEqual([
          { part: 'padding', what: `the byte at ${at} is not zero` },
        ]);
      }
    }
    end = offset + size;
  }
  expect(gaps).toBe(1);
  for (let at = end; at < summary.size; at += 7) {
    flip(at);
    const [fault, ...others] = await checkBundle(copy);
    expect([fault?.part, others]).toEqual(['bundle', []]);
  }
});

test('padding between table and footer is looked at too', async () => {
  const bytes = readFileSync(path);
  const old = bytes.length - 128;
  for (const value of [0, 1]) {
    const footer = encodeFooter({
      tableOffset: bytes.readUInt32LE(old + 16),
      tableSize: bytes.readUInt32LE(old + 24),
      tableSha256: bytes.toString('hex', old + 32, old + 64),
      fileSize: bytes.length + 3,
    });
    writeFileSync(
      copy,
      Buffer.concat([bytes.subarray(0, old), Buffer.from([0, 0, value]), footer]),
    );
    // The header states the old size and is covered by its hash; nothing else differs.
    const what = `the byte at ${old + 2} is not zero`;
    expect(await checkBundle(copy)).toEqual(value === 0 ? [] : [{ part: 'padding', what }]);
  }
});

test('several faults are all listed', async () => {
  const bytes = readFileSync(path);
  const [, launcher, payload] = summary.sections;
  for (const at of [launcher?.offset, payload?.offset]) bytes[at ?? 0] = 0;
  writeFileSync(copy, bytes);
  expect((await checkBundle(copy)).map(({ part }) => part)).toEqual([
    'launcher for x86_64',
    'payload',
  ]);
});

test('a truncated and an extended file are told apart, with both sizes', async () => {
  for (const size of [summary.size - 1, summary.size - 200, 70_000, 8192, 5000]) {
    copyFileSync(path, copy);
    truncateSync(copy, size);
    const words = `truncated: it has ${size} bytes of ${summary.size}, ${summary.size - size} are missing`;
    await expect(openBundle(copy)).rejects.toThrow(refused(words));
    expect((await checkBundle(copy))[0]?.what).toContain(words);
  }
  writeFileSync(copy, Buffer.concat([readFileSync(path), Buffer.from('more')]));
  await expect(openBundle(copy)).rejects.toThrow(
    refused(`extended: it has ${summary.size + 4} bytes instead of ${summary.size}, 4 too many`),
  );
  const bytes = readFileSync(path);
  writeFileSync(copy, Buffer.concat([bytes, bytes.subarray(-128)]));
  await expect(openBundle(copy)).rejects.toThrow(refused('128 too many'));
});

test('what is no bundle', async () => {
  for (const content of [
    '',
    'x',
    '#!/bin/sh\n',
    'x'.repeat(100_000),
    "#!/bin/sh\nrundle_size='7'\n",
  ]) {
    writeFileSync(copy, content);
    await expect(openBundle(copy)).rejects.toThrow(expect.objectContaining({ code: 'E_BUNDLE' }));
    expect((await checkBundle(copy)).length).toBe(1);
  }
  for (const place of [join(workshop.directory, 'none'), workshop.directory, '/dev/null']) {
    await expect(openBundle(place)).rejects.toThrow(expect.objectContaining({ code: 'E_SOURCE' }));
    await expect(checkBundle(place)).rejects.toThrow(expect.objectContaining({ code: 'E_SOURCE' }));
  }
});

test('a section of an unknown kind is skipped, a required one refused', async () => {
  const unknown = (required: boolean) => (sections: Section[]) =>
    sections.map((section) => (section.kind === 2 ? { ...section, kind: 77, required } : section));
  rewrite(unknown(false));
  expect((await openBundle(copy)).sections).toHaveLength(summary.sections.length);
  expect(await checkBundle(copy)).toEqual([]);
  rewrite(unknown(true));
  await expect(openBundle(copy)).rejects.toThrow(refused('it needs the section of kind 77'));
});

test('parts that do not fit together', async () => {
  const without = (kind: number) => (sections: Section[]) =>
    sections.filter((section) => section.kind !== kind);
  rewrite(without(4));
  await expect(openBundle(copy)).rejects.toThrow(refused('no launch config'));
  rewrite(without(5));
  await expect(openBundle(copy)).rejects.toThrow(refused('no manifest'));
  rewrite(without(3));
  await expect(openBundle(copy)).rejects.toThrow(refused('needs the payload'));
  rewrite((sections) => sections.map((one) => (one.kind === 4 ? { ...one, machine: 183 } : one)));
  await expect(openBundle(copy)).rejects.toThrow(refused('says that it is for x86_64'));
  // What the table does not cover must be zero.
  rewrite(without(2));
  expect((await checkBundle(copy))[0]?.part).toBe('padding');
});

test('a manifest that says something else', async () => {
  const manifest = summary.sections.find(({ kind }) => kind === 5);
  if (manifest === undefined) throw new Error('no manifest');
  const text = readFileSync(path).toString(
    'utf8',
    manifest.offset,
    manifest.offset + manifest.size,
  );
  for (const [from, to] of [
    ['"schema": 1', '"schema": 2'],
    ['{', '['],
    ['"x86_64"', '"riscv6"'],
    ['"omissionCount": 2', '"omissionCount":-2'],
    ['"rundle"', '"RUNDLE"'],
    ['é', '\ufffd'.slice(0, 1)],
  ] as const) {
    const bytes =
      to === '\ufffd'
        ? Buffer.from(text.replace('é', '__'), 'utf8')
        : Buffer.from(text.replace(from, to));
    if (to === '\ufffd') bytes.fill(0xff, bytes.indexOf('__'), bytes.indexOf('__') + 2);
    expect(bytes.length).toBe(manifest.size);
    rewrite((sections) => sections, [[manifest.offset, bytes]]);
    await expect(openBundle(copy)).rejects.toThrow(refused('the manifest is damaged'));
  }
});

test('progress reaches the size of the file', async () => {
  const seen: [number, number][] = [];
  await checkBundle(path, (done, total) => seen.push([done, total]));
  expect(seen.at(-1)).toEqual([summary.size, summary.size]);
  expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b));
});
