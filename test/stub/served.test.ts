import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { make, makeScratch, must, run, stub } from './support.js';

const scratch = makeScratch();
const tree = join(scratch.path, 'tree');
const image = (blockSize: string) => join(scratch.path, `${blockSize}.sqfs`);
const tool = join(stub, 'build/asan/payload_tool');

/** Half of it can be compressed, in stretches of 1,000 bytes. */
const content = (size: number) =>
  Buffer.concat(
    Array.from({ length: Math.ceil(size / 1000) }, (_, i) =>
      i % 2 === 0 ? randomBytes(1000) : Buffer.alloc(1000, i),
    ),
  ).subarray(0, size);

beforeAll(() => {
  make('asan');
  mkdirSync(join(tree, 'usr/bin'), { recursive: true });
  mkdirSync(join(tree, 'usr/lib'));
  writeFileSync(join(tree, 'usr/bin/program'), content(3_500_000));
  for (let i = 0; i < 40; i++) writeFileSync(join(tree, `usr/lib/${i}`), content(90_000 + i));
  for (const blockSize of ['131072', '1048576']) {
    must(['mksquashfs', tree, image(blockSize), '-comp', 'zstd', '-b', blockSize, '-quiet']);
  }
});

afterAll(() => scratch.remove());

describe.each(['131072', '1048576'])('blocks of %s bytes, decoded in part', (blockSize) => {
  test.each(['usr/bin/program', 'usr/lib/0', 'usr/lib/39'])('%s', (path) => {
    const { status, stdout, stderr } = run([tool, 'served', image(blockSize), `/${path}`]);
    expect(status).toBe(0);
    expect(Buffer.from(stdout, 'latin1').equals(readFileSync(join(tree, path)))).toBe(true);
    // Behind the last fragment comes nothing.
    if (path !== 'usr/lib/39') expect(stderr).toContain('next miss');
  });

  test('damage is met where it is read, not before', () => {
    const damaged = join(scratch.path, `damaged-${blockSize}.sqfs`);
    const bytes = readFileSync(image(blockSize));
    const size = statSync(join(tree, 'usr/bin/program')).size;
    // Somewhere in the middle of the program's data, which come first in the image.
    bytes.fill(0xff, Math.floor(size / 6), Math.floor(size / 3));
    writeFileSync(damaged, bytes);
    const { status, stderr } = run([tool, 'served', damaged, '/usr/bin/program']);
    expect(status).toBe(1);
    expect(stderr).toContain('the payload is corrupt: data block at');
  });
});
