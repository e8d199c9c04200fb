import { afterAll, expect, test } from 'vitest';
import { image, makeWorkspace, rundle, smallTree } from '../commands/support/rundle.js';
import { addImage, tagged, writeIndex } from '../fixtures/image-builder.js';
import { architecture } from '../launcher/support/built-launcher.js';
import { tarArchive } from '../layer/tar-builder.js';

const place = makeWorkspace();
afterAll(() => place.remove());

const CUDA = 'NVIDIA_REQUIRE_CUDA=cuda>=12.2 brand=tesla,driver>=470,driver<471';
const DRIVER = 'driver=none|driver>=470,<471|driver>=535.54.03';
const FROM_IMAGE = { text: DRIVER, from: 'NVIDIA_REQUIRE_CUDA', notChecked: ['brand=tesla'] };
const source = image(place, 'cuda', smallTree, { config: { Cmd: ['/bin/app'], Env: [CUDA] } });

/** The parsed result of a build, or of an inspection, that has to succeed. */
async function result(...args: string[]) {
  const { status, stdout, stderr } = await rundle(place, [...args, '--json']);
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const build = (from: string, name: string, ...options: string[]) =>
  result('build', from, '-o', name, '--force', ...options);

test('what was asked for and what the image asks for, in the bundle and for people', async () => {
  const { manifest } = await build(
    source,
    'a.run',
    '--require',
    'Memory >= 1024M',
    '--require',
    'gpu',
  );
  const requirements = [FROM_IMAGE, { text: 'memory>=1G' }, { text: 'gpu' }];
  expect(manifest.requirements).toEqual(requirements);
  expect(manifest.overrides).toEqual(['require memory>=1G', 'require gpu']);
  const shown = await result('inspect', 'a.run');
  expect(shown.start[0].require).toEqual([DRIVER, 'memory>=1G', 'gpu']);
  const { stdout } = await rundle(place, ['inspect', '--check', 'a.run']);
  expect(stdout).toContain(
    `\n  needs        ${DRIVER}\n  needs        memory>=1G\n  needs        gpu\n`,
  );
  expect(stdout).toContain('\n  not checked  NVIDIA_REQUIRE_CUDA: brand=tesla\n');
});

test('a person is told that not all can be checked', async () => {
  const { stderr } = await rundle(place, ['build', source, '-o', 'told.run']);
  expect(stderr).toContain(
    'not all of NVIDIA_REQUIRE_CUDA can be checked; rundle inspect told.run',
  );
});

test('nothing is asked for where nobody asks', async () => {
  const plain = image(place, 'plain', smallTree, { config: { Cmd: ['/bin/app'] } });
  const { manifest } = await build(plain, 'plain.run');
  expect(manifest).not.toHaveProperty('requirements');
  expect((await result('inspect', 'plain.run')).start[0].require).toEqual([]);
});

test('a bundle as a source: carried as they are, added to, dropped', async () => {
  await build(source, 'old.run', '--require', 'gpu');
  const again = await build('run:old.run', 'new.run', '--require', 'gpu', '--require', 'shm>=1G');
  expect(again.manifest.requirements).toEqual([FROM_IMAGE, { text: 'gpu' }, { text: 'shm>=1G' }]);
  const without = await build(
    'run:new.run',
    'none.run',
    '--require',
    'none',
    '--require',
    'nofile>=9',
  );
  expect(without.manifest.requirements).toEqual([{ text: 'nofile>=9' }]);
  const later = await build('run:none.run', 'later.run');
  expect(later.manifest.requirements).toEqual([{ text: 'nofile>=9' }]);
  expect((await result('inspect', 'later.run')).start[0].require).toEqual(['nofile>=9']);
});

test('each platform has what is about its machines', async () => {
  const layout = place.path('both');
  const images = ['amd64', 'arm64'].map((name) => {
    const Env = name === 'amd64' ? [CUDA] : [];
    const config = { architecture: name, os: 'linux', config: { Cmd: ['/bin/app'], Env } };
    const { manifest } = addImage(layout, [{ tar: tarArchive(smallTree) }], config);
    return { ...tagged(manifest, 'both'), platform: { os: 'linux', architecture: name } };
  });
  writeIndex(layout, images);
  const platforms = ['--platform', 'linux/arm64,linux/amd64'];
  const needs = ['cpu=avx2', 'cpu=sve2|cpu=avx512f', 'gpu'].flatMap((need) => ['--require', need]);
  await build(`oci:${layout}:both`, 'both.run', ...platforms, ...needs);
  const expected = [
    [DRIVER, 'cpu=avx2', 'cpu=avx512f', 'gpu'],
    ['cpu=sve2', 'gpu'],
  ];
  const texts = async (name: string) => {
    const { start, manifest } = await result('inspect', name);
    const listed = manifest.platforms.map(
      ({ requirements }: { requirements: { text: string }[] }) =>
        requirements.map(({ text }) => text),
    );
    expect(start.map(({ require }: { require: string[] }) => require)).toEqual(listed);
    return listed;
  };
  expect(await texts('both.run')).toEqual(expected);
  await build('run:both.run', 'again.run');
  expect(await texts('again.run')).toEqual(expected);
});

test('a wrong one is refused before anything is read', async () => {
  const { status, stderr } = await rundle(place, ['build', 'oci:nowhere', '--require', 'foo']);
  expect(status).toBe(2);
  expect(stderr).toMatch(
    /^rundle: the requirement "foo" is not known\n {2}known are arch=[^\n]*\n$/,
  );
});

test('what the machines of the bundle cannot have', async () => {
  const foreign = architecture === 'x86_64' ? 'cpu=neon' : 'cpu=avx2';
  const { status, stderr } = await rundle(place, [
    'build',
    source,
    '-o',
    'x.run',
    '--require',
    foreign,
  ]);
  expect([status, stderr]).toEqual([
    2,
    expect.stringContaining(`the bundle is for ${architecture}`),
  ]);
  expect(place.leftovers()).toEqual([]);
});
