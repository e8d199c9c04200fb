import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BlobReader, readBlob } from '#rundle/blob/blob-reader.js';
import { wholeFile } from '#rundle/blob/file-range.js';
import { digestOf } from '#rundle/oci/digest.js';

let directory: string;
const content = Buffer.from('0123456789'.repeat(250_000));
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
  writeFileSync(join(directory, 'blob'), content);
});
afterAll(() => rmSync(directory, { recursive: true }));

const range = (offset = 0, size = content.length) => ({
  path: join(directory, 'blob'),
  offset,
  size,
});

test('a part of a file is read and verified, by either algorithm', async () => {
  const part = content.subarray(7, 2_000_000);
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const announced = { digest: digestOf(part, algorithm), size: part.length };
    const read = await readBlob(range(7, part.length), announced, 4_000_000, 'x');
    expect(read.equals(part)).toBe(true);
    const wrong = readBlob(range(8, part.length), announced, 4_000_000, 'reading x');
    await expect(wrong).rejects.toMatchObject({ code: 'E_DIGEST' });
  }
});

test('a reader that stops early still verifies the rest', async () => {
  const reader = await BlobReader.open(range(), { digest: digestOf(content) }, 'x');
  await reader.read();
  await reader.verify();
  expect(reader.done).toBe(content.length);
  await reader.close();
  const wrong = await BlobReader.open(range(), { digest: digestOf(content.subarray(1)) }, 'x');
  await wrong.read();
  await expect(wrong.verify()).rejects.toMatchObject({ code: 'E_DIGEST' });
  await wrong.close();
});

test('sizes are compared before anything is read', async () => {
  await expect(readBlob(range(), { size: 5 }, 1e9, 'reading x')).rejects.toThrow(
    /reading x: .*blob has 2500000 bytes, announced were 5/,
  );
  await expect(readBlob(range(), {}, 1000, 'reading x')).rejects.toThrow(
    /more than the 1000 allowed/,
  );
  await expect(readBlob(range(5), {}, 1e9, 'reading x')).rejects.toThrow(/became shorter/);
});

test('what is no readable regular file is E_SOURCE, and a FIFO does not hold', async () => {
  execFileSync('mkfifo', [join(directory, 'fifo')]);
  symlinkSync('nowhere', join(directory, 'dangling'));
  for (const name of ['missing', 'dangling', 'fifo', '.']) {
    await expect(wholeFile(join(directory, name), 'reading x')).rejects.toMatchObject({
      code: 'E_SOURCE',
      message: expect.stringMatching(/^reading x: opening \S+: [^,]+(, [a-z ]+)?$/),
    });
  }
});
