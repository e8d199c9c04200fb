import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isRundleError } from '#rundle/errors.js';
import { readContent } from '#rundle/tree/content.js';
import type { Directory } from '#rundle/tree/node.js';
import { noise, text } from '../support/trees.js';
import { mksquashfs, read } from './support/images.js';

const COMPRESSORS: Record<string, string[]> = {
  gzip: ['-comp', 'gzip'],
  zstd: ['-comp', 'zstd'],
  lz4: ['-comp', 'lz4'],
  xz: ['-comp', 'xz', '-Xbcj', 'x86'],
  lzo: ['-comp', 'lzo'],
  none: ['-noI', '-noD', '-noF', '-noX'],
};

let scratch = '';

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rundle-mutated-'));
  const source = join(scratch, 'source');
  mkdirSync(join(source, 'a/b/c'), { recursive: true });
  for (let i = 0; i < 40; i++) writeFileSync(join(source, `a/b/small-${i}`), text(i * 50, `${i}`));
  writeFileSync(join(source, 'a/text'), text(40_000, 'text'));
  writeFileSync(join(source, 'noise'), noise(9000, 'noise'));
  for (const [name, options] of Object.entries(COMPRESSORS)) {
    mksquashfs(source, join(scratch, name), '-b', '16K', ...options);
  }
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Reads everything; false when the image or a file in it was refused. Other failures go through. */
async function readAll(path: string): Promise<boolean> {
  try {
    const pending: Directory[] = [(await read(path)).root];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const node of next.children.values()) {
        if (node.kind === 'directory') pending.push(node);
        // A file of holes may have any size.
        if (node.kind === 'file' && node.size < 1 << 24) await readContent(node, 0, node.size);
      }
    }
    return true;
  } catch (error) {
    if (!isRundleError(error)) throw error;
    expect(['E_FORMAT', 'E_UNSUPPORTED']).toContain(error.code);
    return false;
  }
}

const mutations = fc.record({
  changes: fc.array(
    fc.record({
      // The superblock and the tables at the end are hit as often as all the rest.
      at: fc.oneof(
        fc.record({ start: fc.nat(95) }),
        fc.record({ end: fc.integer({ min: 1, max: 3000 }) }),
        fc.record({ share: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }) }),
      ),
      byte: fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.nat(255)),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 8 }),
});

it.each(Object.keys(COMPRESSORS))('a mutated image is read or refused: %s', async (name) => {
  const image = readFileSync(join(scratch, name));
  const path = join(scratch, `${name}-mutated`);
  let refused = 0;
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(mutations, async ({ changes, cut }) => {
      const bytes = Buffer.from(image);
      for (const { at, byte } of changes) {
        if ('start' in at) bytes[at.start] = byte;
        else if ('end' in at) bytes[bytes.length - Math.min(at.end, bytes.length)] = byte;
        else bytes[Math.floor(at.share * bytes.length)] = byte;
      }
      writeFileSync(path, cut === null ? bytes : bytes.subarray(0, Math.floor(cut * bytes.length)));
      runs += 1;
      if (!(await readAll(path))) refused += 1;
    }),
    { numRuns: 150 },
  );
  // The image itself is sound, and the mutations do not all miss it.
  expect(await readAll(join(scratch, name))).toBe(true);
  expect(refused).toBeGreaterThan(runs / 10);
});
