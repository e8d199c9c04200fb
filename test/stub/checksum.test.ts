import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { make, stub } from './support.js';

test('the checksum of zstd frames is what zstd writes at their end', () => {
  make('build/asan/checksum_tool');
  for (const length of [0, 1, 3, 4, 5, 7, 8, 12, 31, 32, 33, 63, 64, 67, 1000, 100_003]) {
    const input = Buffer.from(Array.from({ length }, (_, i) => (i * i * 31 + i) % 251));
    const frame = execFileSync('zstd', ['--check', '-c'], { input });
    const written = frame.readUInt32LE(frame.length - 4);
    for (const piece of ['1', '7', '32', '4096']) {
      const hash = execFileSync(join(stub, 'build/asan/checksum_tool'), [piece], { input });
      expect(Number.parseInt(hash.toString().slice(8), 16), `${length}`).toBe(written);
    }
  }
});
