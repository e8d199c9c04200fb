import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { end, start } from '../commands/support/rundle.js';
import { closeServers } from '../registry/support/server.js';
import { filesBelow } from './support/place.js';
import { makeScene, type Scene, untilPartial } from './support/registry.js';

let scene: Scene;
beforeEach(async () => {
  scene = await makeScene();
});
afterEach(async () => {
  await closeServers();
  scene.place.remove();
});

const fine = { status: 0, stdout: '', stderr: '' };

/** Overwrites some bytes in the middle. */
function damage(path: string): void {
  const bytes = readFileSync(path);
  bytes.fill(0x20, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 8);
  writeFileSync(path, bytes);
}

describe('a damaged entry', () => {
  it('of every kind is fetched again, all in one build', async () => {
    await scene.build('one');
    const { manifest, config, layers } = scene.image;
    const paths = [manifest, config, ...layers].map(({ digest }) =>
      scene.cache('blobs/sha256', digest.slice('sha256:'.length)),
    );
    const sound = paths.map((path) => readFileSync(path));
    for (const path of paths) damage(path);
    expect(await scene.build('two')).toEqual(fine);
    for (const [index, path] of paths.entries()) {
      expect(readFileSync(path).equals(sound[index] as Buffer), path).toBe(true);
    }
    const first = readFileSync(scene.place.path('one/app.run'));
    expect(readFileSync(scene.place.path('two/app.run')).equals(first)).toBe(true);
    scene.asked();
    await scene.build('three');
    expect(scene.asked()).toEqual(['manifests/v1']);
    expect(scene.place.leftovers()).toEqual([]);
  });

  it('that was cut off is fetched again', async () => {
    await scene.build('one');
    const path = scene.cache('blobs/sha256', scene.large.hex);
    truncateSync(path, 1000);
    expect(await scene.build('two')).toEqual(fine);
    expect(readFileSync(path).equals(scene.large.bytes)).toBe(true);
  });
});

describe("another user's cache", () => {
  /** A cache that user 23456 owns, and a home of user 12345. */
  const shared = async () => {
    await scene.build('one');
    const directory = scene.place.path('shared');
    execFileSync('mv', [scene.cache(), directory]);
    execFileSync('chmod', ['-R', 'a+rX', directory]);
    execFileSync('chown', ['-R', '23456:23456', directory]);
    for (const name of ['home', 'home/tmp']) mkdirSync(scene.place.path(name));
    execFileSync('chown', ['-R', '12345:12345', scene.place.path('home')]);
    chmodSync(scene.place.directory, 0o755);
    scene.asked();
    return directory;
  };
  const build = (...args: string[]) =>
    end(
      start(scene.place, ['build', scene.source, '-o', 'app.run', ...args], {
        cwd: scene.place.path('home'),
        env: { HOME: scene.place.path('home'), TMPDIR: scene.place.path('home/tmp') },
        through: (node, cli) => [
          'setpriv',
          '--reuid=12345',
          '--regid=12345',
          '--clear-groups',
          node,
          cli,
        ],
      }),
    );

  it('gives its blobs, and stays as it is', async () => {
    const directory = await shared();
    const before = filesBelow(directory).map((name) => statSync(join(directory, name)).mtimeMs);
    const { status, stderr } = await build('-q', '--cache-from', directory);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(scene.asked()).toEqual(['manifests/v1']);
    expect(filesBelow(directory).map((name) => statSync(join(directory, name)).mtimeMs)).toEqual(
      before,
    );
    const one = readFileSync(scene.place.path('one/app.run'));
    expect(readFileSync(scene.place.path('home/app.run')).equals(one)).toBe(true);
  });

  it('with a damaged entry is reported, and the registry asked', async () => {
    const directory = await shared();
    const path = join(directory, 'blobs/sha256', scene.large.hex);
    damage(path);
    const { status, stderr } = await build('--cache-from', directory);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining(`rundle: ${path} is damaged and not used\n`),
    });
    expect(scene.asked()).toContain(`blobs/${scene.large.digest}`);
    const one = readFileSync(scene.place.path('one/app.run'));
    expect(readFileSync(scene.place.path('home/app.run')).equals(one)).toBe(true);
  });

  it('may be an OCI layout', async () => {
    rmSync(scene.place.path('layout/index.json'));
    expect(await scene.build('one', ['--cache-from', scene.place.path('layout')])).toEqual(fine);
    expect(scene.asked()).toEqual(['manifests/v1']);
  });

  it('contradicts --no-cache, and fits registries alone', async () => {
    const both = await scene.build('one', ['--cache-from', 'x', '--no-cache']);
    expect(both).toMatchObject({ status: 2, stderr: expect.stringContaining('contradict') });
    for (const option of ['--no-cache', '--cache-from=x']) {
      const other = start(scene.place, ['build', 'dir:layout', '-o', 'one.run', option]);
      expect(await end(other)).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('are for docker:// alone'),
      });
    }
  });
});

describe('beside a build', () => {
  it('everything may be pruned', async () => {
    await scene.build('one');
    // All but the large layer comes from the cache, among it a layer that is not compressed, whose bytes are read at the very end.
    rmSync(scene.cache('blobs/sha256', scene.large.hex));
    scene.gate.isOpen = false;
    const building = scene.build('two');
    await untilPartial(scene, Math.floor(scene.large.size / 2));
    const pruned = await end(start(scene.place, ['cache', 'prune', '--all', '--json']));
    expect(JSON.parse(pruned.stdout).removed.files).toBe(4);
    scene.gate.isOpen = true;
    expect(await building).toEqual(fine);
    const one = readFileSync(scene.place.path('one/app.run'));
    expect(readFileSync(scene.place.path('two/app.run')).equals(one)).toBe(true);
    expect(filesBelow(scene.cache())).toEqual(['CACHEDIR.TAG', `blobs/sha256/${scene.large.hex}`]);
  });

  it('the disk of the cache may become full', async () => {
    const disk = scene.place.path('disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'cache', disk]);
    try {
      const env = { XDG_CACHE_HOME: disk };
      mkdirSync(scene.place.path('one'));
      const args = ['build', scene.source, '-o', 'one/app.run'];
      const { status, stderr } = await end(start(scene.place, args, { env }));
      expect(status).toBe(0);
      const lines = stderr.split('\n').filter((line) => line.includes('temporary directory'));
      expect(lines).toEqual([
        expect.stringMatching(/^rundle: downloads go to a temporary directory, because .*ENOSPC/),
      ]);
      expect(filesBelow(join(disk, 'rundle')).filter((name) => name.startsWith('part'))).toEqual(
        [],
      );
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
    expect(scene.place.leftovers()).toEqual([]);
    expect(await scene.build('two')).toEqual(fine);
    const one = readFileSync(scene.place.path('one/app.run'));
    expect(readFileSync(scene.place.path('two/app.run')).equals(one)).toBe(true);
  });
});
