import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { end, start } from '../commands/support/rundle.js';
import { digestOf } from '../fixtures/image-builder.js';
import {
  type RealRegistry,
  skopeoCopy,
  startRealRegistry,
} from '../registry/support/docker-registry.js';
import { closeServers } from '../registry/support/server.js';
import { entriesOf, makeScene, type Scene, untilPartial } from './support/registry.js';

let scene: Scene;
beforeEach(async () => {
  scene = await makeScene();
});
afterEach(async () => {
  await closeServers();
  scene.place.remove();
});

const bundle = (name: string) => readFileSync(scene.place.path(name, 'app.run'));
const fine = { status: 0, stdout: '', stderr: '' };

/** Nothing but sound entries, and no download that was left. */
function expectSound(): void {
  for (const hex of entriesOf(scene.cache())) {
    expect(digestOf(readFileSync(scene.cache('blobs/sha256', hex)))).toBe(`sha256:${hex}`);
  }
  expect(readdirSync(scene.cache('partial'))).toEqual([]);
}

/** Nothing but that: no trace of the builds. */
function expectTidy(): void {
  expectSound();
  expect(readdirSync(scene.cache('in-use'))).toEqual([]);
  expect(scene.place.leftovers()).toEqual([]);
}

describe('a second build', () => {
  it('of the same tag transfers the manifest alone', async () => {
    expect(await scene.build('one')).toEqual(fine);
    const first = scene.asked().filter((path) => path.startsWith('blobs/'));
    expect(first.sort()).toEqual(
      [scene.image.config, ...scene.image.layers].map(({ digest }) => `blobs/${digest}`).sort(),
    );
    expect(await scene.build('two')).toEqual(fine);
    expect(scene.asked()).toEqual(['manifests/v1']);
    expect(bundle('two').equals(bundle('one'))).toBe(true);
    expectTidy();
  });

  it('of a digest needs no registry at all', async () => {
    await scene.build('one');
    const pinned = `${scene.source.replace(/:v1$/, '')}@${scene.image.manifest.digest}`;
    await scene.server.close();
    const { status, stderr } = await end(
      start(scene.place, ['build', pinned, '-q', '-o', 'two.run']),
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('with --no-cache transfers all, and nothing is kept', async () => {
    expect(await scene.build('one', ['--no-cache'])).toEqual(fine);
    expect(existsSync(scene.cache())).toBe(false);
    await scene.build('two');
    scene.asked();
    expect(await scene.build('three', ['--no-cache'])).toEqual(fine);
    expect(scene.asked()).toHaveLength(5);
    expect(bundle('three').equals(bundle('two'))).toBe(true);
  });

  it('by rundle unpack finds what rundle build has kept', async () => {
    await scene.build('one');
    scene.asked();
    const { status } = await end(start(scene.place, ['unpack', scene.source, 'tree', '-q']));
    expect(status).toBe(0);
    expect(scene.asked()).toEqual(['manifests/v1']);
  });
});

describe('parallel builds', () => {
  it('of one image into an empty cache fetch it together', async () => {
    const names = ['a', 'b', 'c', 'd'];
    const results = await Promise.all(names.map((name) => scene.build(name)));
    for (const result of results) expect(result).toEqual(fine);
    for (const name of names) expect(bundle(name).equals(bundle('a')), name).toBe(true);
    // Who begins at the very same instant may not see the other one; that all of them do would be a fault.
    expect(scene.transfers.length).toBeLessThan(3);
    expectTidy();
  });

  it('go on when the one that downloads is killed', async () => {
    scene.gate.isOpen = false;
    const first = start(scene.place, ['build', scene.source, '-q', '-o', 'one.run']);
    const half = Math.floor(scene.large.size / 2);
    await untilPartial(scene, half);
    const second = start(scene.place, ['build', scene.source, '-o', 'two.run']);
    await new Promise<void>((resolve) => {
      second.stderr?.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('waiting for another build')) resolve();
      });
    });
    first.kill('SIGKILL');
    scene.gate.isOpen = true;
    expect((await end(second)).status).toBe(0);
    const size = scene.transfers[1]?.from ?? 0;
    expect(size).toBeGreaterThanOrEqual(half);
    expect(scene.transfers.slice(1)).toEqual([{ from: size, sent: scene.large.size - size }]);
    expectSound();
  });
});

describe('an interrupted download', () => {
  it.each(['SIGKILL', 'SIGINT'] as const)('by %s goes on where it stopped', async (signal) => {
    scene.gate.isOpen = false;
    const first = start(scene.place, ['build', scene.source, '-q', '-o', 'one.run']);
    const half = Math.floor(scene.large.size / 2);
    await untilPartial(scene, half);
    first.kill(signal);
    await end(first);
    const [left = ''] = readdirSync(scene.cache('partial'));
    const { size } = statSync(scene.cache('partial', left));
    expect(size).toBeGreaterThanOrEqual(half);
    scene.transfers.length = 0;
    scene.gate.isOpen = true;
    expect(await scene.build('two')).toEqual(fine);
    expect(scene.transfers).toEqual([{ from: size, sent: scene.large.size - size }]);
    expectSound();
    // The next build tidies up after one that could not do so itself.
    expect(readdirSync(scene.cache('in-use'))).toEqual([]);
  });

  it('whose bytes were damaged since is begun anew', async () => {
    scene.gate.isOpen = false;
    const first = start(scene.place, ['build', scene.source, '-q', '-o', 'one.run']);
    const path = await untilPartial(scene, Math.floor(scene.large.size / 2));
    first.kill('SIGKILL');
    await end(first);
    execFileSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=1000', 'count=1', 'conv=notrunc'], {
      stdio: 'ignore',
    });
    scene.gate.isOpen = true;
    expect(await scene.build('two')).toEqual(fine);
    expectSound();
  });
});

describe('beside skopeo', () => {
  it('the cache holds the blobs that skopeo copy has written', async () => {
    const { place } = scene;
    const registry: RealRegistry = await startRealRegistry(place.path('registry'));
    try {
      skopeoCopy(`oci:${place.path('layout')}:v1`, `docker://${registry.host}/test/app:v1`);
      skopeoCopy(`docker://${registry.host}/test/app:v1`, `oci:${place.path('judge')}:v1`);
      const args = ['build', `docker://${registry.host}/test/app:v1`, '-q', '-o', 'one.run'];
      expect(await end(start(place, args))).toEqual(fine);
    } finally {
      await registry.stop();
    }
    expect(entriesOf(scene.cache())).toEqual(entriesOf(place.path('judge')));
    expectSound();
  });
});
