import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { indexArchive } from '#rundle/layer/index-archive.js';
import { tarArchive } from './tar-builder.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('an archive that another user may change', () => {
  it.each([true, undefined])('is copied while it is verified (%s)', async (mayChange) => {
    const tar = tarArchive([{ name: 'file', content: 'sound' }]);
    const path = join(directory, 'layer.tar');
    const before = Buffer.alloc(512);
    writeFileSync(path, Buffer.concat([before, tar]));
    const file = { path, offset: before.length, size: tar.length };
    const spool = join(directory, `spool-${mayChange}`);
    const job = { name: 'a layer', file: { ...file, ...(mayChange && { mayChange }) }, spool };
    const index = await indexArchive(job, () => undefined);
    writeFileSync(path, Buffer.concat([before, tar]).toString('latin1').replace('sound', 'wrong'));
    expect(index.path).toBe(mayChange ? spool : path);
    expect(index.spooled).toBe(mayChange ?? false);
    // Wherever the offsets point to, the content follows its header of 512 bytes.
    const at = mayChange ? 512 : before.length + 512;
    const content = readFileSync(index.path ?? '')
      .subarray(at, at + 5)
      .toString();
    expect(content).toBe(mayChange ? 'sound' : 'wrong');
    expect(JSON.stringify(index.entries)).toContain(`${at}`);
  });
});
