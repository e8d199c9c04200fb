import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { prune } from '#rundle/cache/contents.js';
import { parseAge, parseCacheSize } from '#rundle/commands/cache-quantities.js';
import { makeWorkspace, rundle, type Workspace } from './support/rundle.js';

const DAY = 24 * 3600;

let place: Workspace;
let cache: string;
beforeEach(() => {
  place = makeWorkspace();
  cache = place.path('.cache/rundle');
  for (const name of ['blobs/sha256', 'partial', 'in-use']) {
    mkdirSync(join(cache, name), { recursive: true, mode: 0o700 });
  }
});
afterEach(() => place.remove());

/** Puts a file into the cache that was used `age` seconds ago, and gives its digest. */
function entry(name: string, size: number, age: number): string {
  const hex = createHash('sha256').update(name).digest('hex');
  const path = join(cache, 'blobs/sha256', hex);
  writeFileSync(path, Buffer.alloc(size), { mode: 0o600 });
  setAge(path, age);
  return `sha256:${hex}`;
}

function partial(name: string, size: number, age: number, owner = 'free'): string {
  const hex = createHash('sha256').update(name).digest('hex');
  const path = join(cache, 'partial', `sha256-${hex}.001700000000000.${owner}.${'a'.repeat(12)}`);
  writeFileSync(path, Buffer.alloc(size), { mode: 0o600 });
  setAge(path, age);
  return `sha256:${hex}`;
}

function setAge(path: string, age: number): void {
  const time = Date.now() / 1000 - age;
  utimesSync(path, time, time);
}

const left = () => [
  ...readdirSync(join(cache, 'blobs/sha256')),
  ...readdirSync(join(cache, 'partial')).map((name) => name.slice(7, 71)),
];
const hexOf = (digest: string) => digest.slice('sha256:'.length);

describe('rundle cache', () => {
  it('shows nothing where nothing is, and makes nothing', async () => {
    const env = { XDG_CACHE_HOME: place.path('none') };
    const { status, stdout, stderr } = await rundle(place, ['cache'], { env });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe(`${place.path('none/rundle')}: 0 files, 0 B\n`);
    expect(existsSync(place.path('none'))).toBe(false);
  });

  it('shows entries and downloads, their sizes and ages', async () => {
    const old = entry('old', 2_500_000, 3 * DAY + 60);
    const recent = entry('recent', 1000, 100);
    const broken = partial('broken', 40_000, 2 * 3600 + 60);
    writeFileSync(join(cache, 'blobs/sha256/README'), 'no entry');
    symlinkSync('/etc/passwd', join(cache, 'blobs/sha256', 'a'.repeat(64)));
    const { stdout } = await rundle(place, ['cache']);
    expect(stdout.split('\n')).toEqual([
      `${recent}    1.0 kB  1 minute ago`,
      `${old}    2.5 MB  3 days ago`,
      `${broken}   40.0 kB  2 hours ago  incomplete, the next download goes on from it`,
      `${cache}: 3 files, 2.5 MB`,
      '',
    ]);
    const json = await rundle(place, ['cache', '--json']);
    expect(JSON.parse(json.stdout)).toEqual({
      schema: 1,
      directory: cache,
      size: 2_541_000,
      entries: [
        { digest: recent, size: 1000, used: expect.stringMatching(/^\d{4}-.*Z$/) },
        { digest: old, size: 2_500_000, used: expect.any(String) },
      ],
      partial: [{ digest: broken, size: 40_000, used: expect.any(String), downloading: false }],
    });
  });

  it('says what is being downloaded', async () => {
    // A file of another machine that has just grown.
    partial('now', 10, 1, `${'0'.repeat(12)}-1-1`);
    const { stdout } = await rundle(place, ['cache']);
    expect(stdout).toContain('just now  is being downloaded\n');
  });
});

describe('rundle cache prune', () => {
  it('needs to be told what to remove', async () => {
    entry('one', 10, 400 * DAY);
    const { status, stderr } = await rundle(place, ['cache', 'prune']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/nothing says what to remove\n {2}give --older-than/);
    expect(left()).toHaveLength(1);
  });

  it.each(['30', 'd', '-1d', '1.5d', '', '1y', ' 1d'])('refuses the age %j', (age) => {
    expect(() => parseAge(age)).toThrow(/is not an age/);
  });

  it.each(['G', '-1', '1X', '', '1e9', '1 G'])('refuses the size %j', (size) => {
    expect(() => parseCacheSize(size)).toThrow(/is not a size/);
  });

  it('understands ages and sizes', () => {
    expect(['90s', '2m', '3h', '1d', '2w'].map(parseAge)).toEqual(
      [90, 120, 3 * 3600, DAY, 14 * DAY].map((seconds) => seconds * 1000),
    );
    expect(['7', '1k', '1.5K', '2MiB', '1GB', '1T'].map(parseCacheSize)).toEqual([
      7,
      1024,
      1536,
      2 * 1024 ** 2,
      1024 ** 3,
      1024 ** 4,
    ]);
  });

  it('goes by the time of last use', async () => {
    entry('old', 1000, 31 * DAY);
    partial('broken', 500, 40 * DAY);
    const recent = entry('recent', 10, 29 * DAY);
    const { stdout } = await rundle(place, ['cache', 'prune', '--older-than', '30d']);
    expect(stdout).toBe(`${cache}: removed 2 files with 1.5 kB, 10 B left\n`);
    expect(left()).toEqual([hexOf(recent)]);
  });

  it('goes by size, from what was used longest ago', async () => {
    entry('first', 600, 300);
    const second = entry('second', 600, 200);
    const third = partial('third', 600, 100);
    const { stdout } = await rundle(place, ['cache', 'prune', '--max-size', '1.2K', '--json']);
    expect(JSON.parse(stdout)).toEqual({
      schema: 1,
      directory: cache,
      removed: { files: 1, size: 600 },
      left: { files: 2, size: 1200 },
    });
    expect(left()).toEqual([hexOf(second), hexOf(third)]);
    await rundle(place, ['cache', 'prune', '--max-size', '0']);
    expect(left()).toEqual([]);
  });

  it('counts both rules together', async () => {
    entry('old', 5000, 40 * DAY);
    const kept = entry('kept', 900, 100);
    await rundle(place, ['cache', 'prune', '--max-size', '1K', '--older-than', '30d']);
    expect(left()).toEqual([hexOf(kept)]);
  });

  it('removes everything but what is being downloaded', async () => {
    entry('one', 10, 10);
    partial('dead', 10, 10);
    const now = partial('now', 10, 1, `${'0'.repeat(12)}-1-1`);
    mkdirSync(join(cache, 'in-use', `free.${'a'.repeat(12)}`));
    writeFileSync(join(cache, 'in-use', `free.${'a'.repeat(12)}`, 'x'), '');
    writeFileSync(join(cache, 'blobs/sha256/README'), 'kept');
    await rundle(place, ['cache', 'prune', '--all']);
    expect(left()).toEqual(['README', hexOf(now)]);
    expect(readdirSync(join(cache, 'in-use'))).toEqual([]);
    expect(readFileSync(join(cache, 'blobs/sha256/README'), 'utf8')).toBe('kept');
  });

  it("leaves another user's cache alone", async () => {
    entry('one', 10, 10);
    execFileSync('chown', ['-R', '12345:12345', cache]);
    const { status, stderr } = await rundle(place, ['cache', 'prune', '--all']);
    expect(status).toBe(1);
    expect(stderr).toBe(`rundle: pruning the cache ${cache}: ${cache} belongs to another user\n`);
    expect(left()).toHaveLength(1);
  });

  it('passes over what a build has begun to use meanwhile', async () => {
    const digest = entry('used', 10, 40 * DAY);
    const removing = prune(cache, { olderThan: 30 * DAY * 1000 });
    setAge(join(cache, 'blobs/sha256', hexOf(digest)), 0);
    expect(await removing).toEqual([]);
    expect(left()).toEqual([hexOf(digest)]);
  });
});
