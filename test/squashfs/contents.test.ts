import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writePayload } from '#rundle/squashfs/writer.js';
import { fromText } from '#rundle/tree/byte-string.js';
import type { RegularFile } from '#rundle/tree/node.js';
import {
  describeDisk,
  describeTree,
  inScratch,
  mounted,
  pack,
  tool,
  unsquashed,
} from './support/judge.js';
import { directory, file, noise, plain, sparseFile, text } from './support/trees.js';

/** A file whose content is `length` bytes of the file at `path`, from `offset` on. */
function onDisk(path: string | Uint8Array, offset: number, length: number): RegularFile {
  const extents = [{ at: 0, length, data: { kind: 'file' as const, path }, offset }];
  return { kind: 'file', ...plain, size: length, extents };
}

describe('contents', () => {
  test('come from files, in pieces and with holes between them', () =>
    inScratch(async (scratch) => {
      const layer = join(scratch, 'layer');
      const bytes = Buffer.concat([noise(200_000, 'layer'), text(200_000, 'layer')]);
      writeFileSync(layer, bytes);
      const data = { kind: 'file' as const, path: layer };
      const pieces: RegularFile = {
        kind: 'file',
        ...plain,
        size: 150_000,
        extents: [
          { at: 4000, length: 200, data, offset: 199_900 },
          { at: 4200, length: 70_000, data, offset: 250_000 },
          { at: 140_000, length: 10_000, data: { kind: 'memory', bytes }, offset: 390_000 },
        ],
      };
      const root = directory({
        pieces,
        small: onDisk(layer, 10, 100),
        large: onDisk(Buffer.from(layer), 50_000, 300_000),
      });
      for (const blockSize of [4096, 65_536, 1_048_576]) {
        const payload = await pack(scratch, root, { blockSize });
        await mounted(payload, (mount) => {
          expect(describeDisk(mount).get('/pieces')).toBe(describeTree(root).get('/pieces'));
          expect(readFileSync(`${mount}/small`).equals(bytes.subarray(10, 110))).toBe(true);
          const large = readFileSync(`${mount}/large`);
          expect(large.equals(bytes.subarray(50_000, 350_000))).toBe(true);
        });
      }
    }));

  test('that are equal are stored once', () =>
    inScratch(async (scratch) => {
      const small = noise(3000, 'small');
      const large = noise(500_000, 'large');
      // Equal in size and in the first 64 KiB.
      const almost = Buffer.from(large);
      almost[499_999] = (almost[499_999] ?? 0) ^ 1;
      const root = directory({
        a: directory({ small: file(small), large: file(large), almost: file(almost) }),
        b: directory({ small: file(small), large: file(large), other: file(noise(3000, 'other')) }),
      });
      for (const blockSize of [4096, 131_072, 1_048_576]) {
        const payload = await pack(scratch, root, { blockSize });
        expect(payload).toMatchObject({ contentBytes: 1_509_000, duplicateBytes: 503_000 });
        // In one fragment block the compressor finds what the two large ones have in common.
        expect(payload.size).toBeGreaterThan(blockSize < 1_048_576 ? 1_006_000 : 506_000);
        expect(payload.size).toBeLessThan(1_020_000);
        await mounted(payload, (mount) => expect(describeDisk(mount)).toEqual(describeTree(root)));
      }
    }));

  test('that are equal are found whether zeros are written out or not', () =>
    inScratch(async (scratch) => {
      const bytes = Buffer.alloc(300_000);
      bytes.write('x', 200_000);
      const root = directory({
        holes: sparseFile(300_000, { 200000: Buffer.from('x') }),
        zeros: file(bytes),
        moved: sparseFile(300_000, { 200001: Buffer.from('x') }),
        // Moved by exactly what is looked at in one go.
        'moved-far': sparseFile(300_000, { [200_000 - 65_536]: Buffer.from('x') }),
      });
      const payload = await pack(scratch, root, { blockSize: 65_536 });
      expect(payload.duplicateBytes).toBe(300_000);
      await unsquashed(payload, (disk) => expect(describeDisk(disk)).toEqual(describeTree(root)));
    }));

  test('fill a fragment block to the last byte, and not beyond', () =>
    inScratch(async (scratch) => {
      for (const [second, fragments] of [
        [2096, 1],
        [2097, 2],
      ] as const) {
        const root = directory({ a: file(noise(2000, 'a')), b: file(noise(second, 'b')) });
        const payload = await pack(scratch, root, { blockSize: 4096 });
        const superblock = tool('unsquashfs', '-s', payload.path);
        expect(superblock).toContain(`Number of fragments ${fragments}`);
        await mounted(payload, (mount) => expect(describeDisk(mount)).toEqual(describeTree(root)));
      }
    }));

  test('do not let memory grow with the image', () =>
    inScratch(async (scratch) => {
      const layer = join(scratch, 'layer');
      writeFileSync(layer, Buffer.concat([noise(3 << 20, 'n'), text(5 << 20, 't')]));
      const script = join(scratch, 'build.mjs');
      writeFileSync(script, memoryScript);
      const dist = new URL('../../dist/', import.meta.url).href;
      const output = execFileSync(process.execPath, [script, dist, layer], { encoding: 'utf8' });
      // 100 different files of 7 MiB; the bytes alone would take 700 MiB.
      const { contentBytes, peak } = JSON.parse(output) as Record<string, number>;
      expect(contentBytes).toBe(700 * 2 ** 20);
      expect(peak).toBeLessThan(320 * 2 ** 20);
    }));
});

const memoryScript = `
const [, , dist, layer] = process.argv;
const { writePayload } = await import(dist + 'squashfs/writer.js');
const { open } = await import('node:fs/promises');
const metadata = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
const children = new Map();
for (let i = 0; i < 100; i++) {
  const length = 7 << 20;
  const extents = [{ at: 0, length, data: { kind: 'file', path: layer }, offset: i * 4099 }];
  children.set('f' + i, { kind: 'file', ...metadata, size: length, extents });
}
const output = await open(layer + '.sqfs', 'w+');
const options = { blockSize: 1 << 20, level: 1, workers: 2, buildTime: 0 };
const root = { kind: 'directory', ...metadata, children };
const { contentBytes } = await writePayload(root, output, 0, options);
console.log(JSON.stringify({ contentBytes, peak: process.resourceUsage().maxRSS * 1024 }));
`;

describe('a source that is not what it was', () => {
  const refused = (code: string, ...parts: string[]) => ({
    code,
    message: expect.stringMatching(new RegExp(parts.join('.*'))),
  });

  test.each([0, 100, 499_999])('is reported when it ends after %i bytes', (length) =>
    inScratch(async (scratch) => {
      const path = join(scratch, 'source');
      writeFileSync(path, noise(500_000, 'source'));
      truncateSync(path, length);
      const root = directory({ dir: directory({ victim: onDisk(path, 0, 500_000) }) });
      for (const blockSize of [4096, 1_048_576]) {
        await expect(pack(scratch, root, { blockSize })).rejects.toMatchObject(
          refused('E_SOURCE', '/dir/victim', '/source'),
        );
      }
    }),
  );

  test('is reported among many good ones in one fragment, and when digests are made', () =>
    inScratch(async (scratch) => {
      const path = join(scratch, 'source');
      writeFileSync(path, 'short');
      const good = Object.fromEntries(
        Array.from({ length: 500 }, (_, i) => [`good-${i}`, file(`content ${i}`.repeat(i))]),
      );
      const alone = directory({ ...good, victim: onDisk(path, 0, 70_001) });
      await expect(pack(scratch, alone)).rejects.toMatchObject(refused('E_SOURCE', '/victim'));
      const twins = directory({ ...good, victim: onDisk(path, 0, 9), twin: file('123456789') });
      await expect(pack(scratch, twins)).rejects.toMatchObject(refused('E_SOURCE', '/victim'));
    }));

  test('is reported when it is gone, a directory or a fifo', () =>
    inScratch(async (scratch) => {
      const path = join(scratch, 'gone');
      const root = directory({ victim: onDisk(path, 0, 10) });
      await expect(pack(scratch, root)).rejects.toMatchObject(
        refused('E_SOURCE', '/victim', 'ENOENT'),
      );
      mkdirSync(path);
      await expect(pack(scratch, root)).rejects.toMatchObject(refused('E_SOURCE', 'EISDIR'));
      execFileSync('mkfifo', [`${path}.fifo`]);
      const fifo = directory({ victim: onDisk(`${path}.fifo`, 0, 10) });
      await expect(pack(scratch, fifo)).rejects.toMatchObject(refused('E_SOURCE', '/victim'));
    }));

  test('is reported when memory is shorter than it should be', () =>
    inScratch(async (scratch) => {
      const data = { kind: 'memory' as const, bytes: Buffer.from('short') };
      const extents = [{ at: 0, length: 6, data, offset: 0 }];
      const root = directory({});
      root.children.set(fromText('victim'), { kind: 'file', ...plain, size: 6, extents });
      await expect(pack(scratch, root)).rejects.toMatchObject(refused('E_SOURCE', '/victim'));
    }));
});

test('an output that takes no bytes is reported', async () => {
  const output = await open('/dev/full', 'r+');
  const options = { blockSize: 4096, level: 1, workers: 1, buildTime: 0 };
  await expect(
    writePayload(directory({ a: file(noise(9000, 'a')) }), output, 0, options),
  ).rejects.toMatchObject({ code: 'E_OUTPUT', message: expect.stringContaining('ENOSPC') });
  await output.close();
});
