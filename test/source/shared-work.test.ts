import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SharedWork } from '#rundle/source/shared-work.js';
import type { SourceStep } from '#rundle/source/transport.js';
import { addImage, tagged, writeIndex } from '../fixtures/image-builder.js';
import { tarArchive } from '../layer/tar-builder.js';
import { makeScratch, run, type Scratch } from './support/scratch.js';

/*
 * An image for two platforms with a layer in common, loaded for both of them.
 */
let scratch: Scratch;
beforeAll(() => {
  scratch = makeScratch();
  const layout = scratch.path('layout');
  const layer = (name: string) => ({
    tar: tarArchive([{ name, content: name.repeat(1000) }]),
    compression: 'gzip' as const,
  });
  const images = ['amd64', 'arm64'].map((architecture) => {
    const { manifest } = addImage(layout, [layer('common'), layer(architecture)], { architecture });
    return { ...tagged(manifest, 'both'), platform: { os: 'linux', architecture } };
  });
  writeIndex(layout, images);
  run('tar', '-C', layout, '-czf', scratch.path('archive.tgz'), '.');
});
afterAll(() => scratch.remove());

async function loadBoth(source: string, spoolDirectory: string) {
  const steps: SourceStep[] = [];
  const context = { spoolDirectory, shared: new SharedWork() };
  const names: string[][] = [];
  for (const architecture of ['amd64', 'arm64']) {
    const { root } = await scratch.load(source, {
      ...context,
      platform: { os: 'linux', architecture },
      onProgress: (step) => steps.push(step),
    });
    names.push([...root.children.keys()]);
  }
  return { names, steps };
}

test('what two platforms have in common is read once', async () => {
  run('mkdir', scratch.path('spool'), scratch.path('spool-of-archive'));
  const trees = [
    ['common', 'amd64'],
    ['common', 'arm64'],
  ];
  const plain = await loadBoth(`oci:${scratch.path('layout')}`, scratch.path('spool'));
  expect(plain.names).toEqual(trees);
  expect(new Set(plain.steps.map(({ name }) => name)).size).toBe(3);
  // The largest of the first platform; the others when they are packed.
  expect(readdirSync(scratch.path('spool'))).toEqual(['layer-1.tar']);
  const archive = await loadBoth(
    `oci-archive:${scratch.path('archive.tgz')}`,
    scratch.path('spool-of-archive'),
  );
  expect(archive.names).toEqual(trees);
  expect(readdirSync(scratch.path('spool-of-archive')).sort()).toEqual([
    'archive.tar',
    'layer-1.tar',
  ]);
});

test('work that is shared is done once a key, also when it is asked for at once', async () => {
  const shared = new SharedWork();
  let done = 0;
  const work = async () => {
    done += 1;
    return done;
  };
  expect(await Promise.all([shared.once('a', work), shared.once('a', work)])).toEqual([1, 1]);
  expect(await shared.once('b', work)).toBe(2);
});
