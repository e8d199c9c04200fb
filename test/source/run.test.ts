import { closeSync, copyFileSync, openSync, truncateSync, writeSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle } from '#rundle/bundle/read.js';
import { SECTION_KIND } from '#rundle/bundle/section.js';
import { SharedWork } from '#rundle/source/shared-work.js';
import { build } from '../e2e/support/workplace.js';
import { addImage, buildOciLayout, writeIndex } from '../fixtures/image-builder.js';
import { tarArchive } from '../layer/tar-builder.js';
import { listImage } from '../squashfs/reader/support/images.js';
import { faultOf, makeScratch, type Scratch, shell } from './support/scratch.js';

let scratch: Scratch;
let bundle = '';

const CONFIG = {
  architecture: 'amd64',
  os: 'linux',
  created: '2024-05-06T07:08:09Z',
  config: {
    Entrypoint: ['/bin/program', 'with space'],
    Cmd: ['', 'ä'],
    Env: ['PATH=/bin', 'A=1'],
    WorkingDir: '/work',
    User: 'somebody',
    Labels: { one: '1' },
    Volumes: { '/data': {} },
    ExposedPorts: { '80/tcp': {} },
    StopSignal: 'SIGINT',
  },
};

beforeAll(() => {
  scratch = makeScratch();
  const tar = tarArchive([
    { name: 'bin/', type: '5', mode: 0o755 },
    { name: 'bin/program', content: 'x' },
  ]);
  buildOciLayout(scratch.path('layout'), [{ tar }], CONFIG);
  bundle = scratch.path('first.run');
  const changes = ['--env', 'B=2', '--label', 'two=2', '--desc', 'the first', '--mount-home'];
  changes.push('--mount', '/opt:/opt:ro', '--target', '/tmp/${USER}');
  build(`oci:${scratch.path('layout')}`, bundle, ...changes, '--block-size', '128K');
});

afterAll(() => scratch.remove());

describe('a bundle as a source', () => {
  it('says everything that it starts with and was made from', async () => {
    const layout = await scratch.load(`oci:${scratch.path('layout')}`);
    const { config, provenance, omissions, start, making } = await scratch.load(`run:${bundle}`);
    expect(config).toEqual({
      ...layout.config,
      env: ['PATH=/bin', 'A=1', 'B=2'],
      labels: { one: '1', two: '2' },
    });
    expect([provenance, omissions]).toEqual([layout.provenance, []]);
    expect(start).toMatchObject({ throughRc: false, mountHome: true, mountCwd: false });
    expect(start?.target).toBe('/tmp/${USER}');
    expect(start?.mounts.map(({ text }) => text)).toEqual(['/opt:/opt:ro']);
    expect(making).toEqual({
      description: 'the first',
      overrides: expect.arrayContaining(['env B=2', 'label two=2', 'mount-home']),
      blockSize: 131_072,
      level: 6,
    });
  });

  it('gives the same payload when nothing changes', async () => {
    const again = scratch.path('again.run');
    build(bundle, again);
    const [one, other] = [await openBundle(bundle), await openBundle(again)];
    expect(other.launchConfigs).toEqual(
      one.launchConfigs.map((each) => ({ ...each, name: 'again' })),
    );
    expect(other.manifest).toEqual({ ...one.manifest, name: 'again' });
  });

  it('takes changes on top of those it has', async () => {
    const changed = scratch.path('changed.run');
    build(
      bundle,
      changed,
      '--env',
      'A=3',
      '--cmd',
      'x',
      '--mount',
      '/srv:/srv',
      '--desc',
      'second',
    );
    const [one, other] = [await openBundle(bundle), await openBundle(changed)];
    expect(other.launchConfigs[0]).toMatchObject({
      entrypoint: one.launchConfigs[0]?.entrypoint,
      cmd: ['x'],
      env: ['PATH=/bin', 'A=3', 'B=2'],
      mounts: ['/opt:/opt:ro', '/srv:/srv'],
      target: '/tmp/${USER}',
      mountHome: true,
    });
    expect(other.manifest.overrides).toEqual([
      ...one.manifest.overrides,
      'cmd ["x"]',
      'env A=3',
      'mount /srv:/srv',
    ]);
    expect(other.manifest).toMatchObject({
      description: 'second',
      provenance: one.manifest.provenance,
      payload: { blockSize: 131_072, level: 6 },
    });
    const [before, after] = [await scratch.load(bundle), await scratch.load(changed)];
    const [listing, expected] = [await listImage(after.root), await listImage(before.root)];
    for (const name of ['etc/environment', 'etc/fstab', 'etc/rc']) {
      expect(listing[name]?.sha256).not.toBe(expected[name]?.sha256);
      delete listing[name];
      delete expected[name];
    }
    expect(listing.srv?.kind).toBe('directory');
    delete listing.srv;
    delete expected.srv;
    expect({ ...listing, '': undefined }).toEqual({ ...expected, '': undefined });
  });

  it('keeps a start script until another start is asked for', async () => {
    shell(scratch.path(), "printf '#!/bin/sh\\necho rc\\n' > rc.sh");
    const through = scratch.path('through.run');
    build(bundle, through, '--rc', scratch.path('rc.sh'));
    const started = async (...changes: string[]) => {
      const path = scratch.path('started.run');
      build(through, path, '--force', ...changes);
      const listing = await listImage((await scratch.load(path)).root);
      const rc = (await openBundle(path)).launchConfigs[0]?.rc;
      return { rc, size: listing['etc/rc']?.size };
    };
    expect(await started('--env', 'X=1')).toEqual({ rc: true, size: 18 });
    expect((await started('--entrypoint', '/bin/other')).rc).toBe(false);
    expect((await started('--cmd', 'other')).rc).toBe(false);
    const otherRc = await started('--rc', '/dev/null');
    expect(otherRc).toEqual({ rc: true, size: 0 });
  });

  it('is refused when it is damaged', async () => {
    const payload = (await openBundle(bundle)).sections.find(
      ({ kind }) => kind === SECTION_KIND.payload,
    );
    const copy = scratch.path('damaged.run');
    copyFileSync(bundle, copy);
    const file = openSync(copy, 'r+');
    writeSync(file, 'damage', (payload?.offset ?? 0) + 200);
    closeSync(file);
    expect(await faultOf(scratch.load(copy))).toMatch(
      /^E_DIGEST reading run:.*its payload has the digest sha256:\w{64}, the bundle says sha256:\w{64}/,
    );
    truncateSync(copy, 100_000);
    expect(await faultOf(scratch.load(copy))).toMatch(/^E_BUNDLE .*100000/);
    truncateSync(copy, 0);
    expect(await faultOf(scratch.load(copy))).toMatch(/^E_BUNDLE /);
    expect(await faultOf(scratch.load('run:/nowhere.run'))).toMatch(/^E_SOURCE /);
  });

  it('is refused for a machine that it is not for', async () => {
    const platform = { os: 'linux', architecture: 'arm64' };
    expect(await faultOf(scratch.load(bundle, { platform }))).toMatch(
      /^E_PLATFORM reading run:.*: it is for linux\/amd64, not for linux\/arm64/,
    );
  });
});

describe('a bundle for several platforms as a source', () => {
  let several = '';

  beforeAll(() => {
    const layout = scratch.path('several');
    const manifests = ['amd64', 'arm64'].map((architecture) => {
      const content = 'the same'.repeat(1000);
      const own = { name: 'arch', content: architecture };
      const tar = tarArchive([own, { name: 'shared', content }]);
      const { manifest } = addImage(layout, [{ tar }], { ...CONFIG, architecture });
      return { ...manifest, platform: { os: 'linux', architecture } };
    });
    writeIndex(layout, manifests);
    several = scratch.path('several.run');
    build(`oci:${scratch.path('several')}`, several, '--platform', 'linux/amd64,linux/arm64');
  });

  it.each(['amd64', 'arm64'])('gives the tree of one: %s', async (architecture) => {
    const { root, config } = await scratch.load(several, {
      platform: { os: 'linux', architecture },
    });
    expect(config.architecture).toBe(architecture);
    const listing = await listImage(root);
    expect(listing.arch?.size).toBe(5);
    expect(Object.keys(listing)).not.toContain('x86_64');
  });

  it.each([[[]], [['--platform', 'linux/arm64,linux/amd64']]])(
    'is made for all of them again, with the same payload: %j',
    async (options) => {
      const again = scratch.path(`several-${options.length}.run`);
      build(several, again, ...options);
      const [one, other] = [await openBundle(several), await openBundle(again)];
      expect(other.launchConfigs.map(({ id, root }) => [id, root])).toEqual(
        one.launchConfigs.map(({ id, root }) => [id, root]),
      );
      expect(other.manifest.platforms).toEqual(one.manifest.platforms);
    },
  );

  it('is made for one of them', async () => {
    build(several, scratch.path('one.run'), '--platform', 'linux/arm64');
    const { manifest } = await openBundle(scratch.path('one.run'));
    expect([manifest.architectures, manifest.platforms]).toEqual([['aarch64'], undefined]);
  });

  it('reads the payload once', async () => {
    const shared = new SharedWork();
    let steps = 0;
    for (const architecture of ['amd64', 'arm64']) {
      await scratch.load(several, {
        platform: { os: 'linux', architecture },
        shared,
        onProgress: ({ done, total }) => {
          if (done === total) steps += 1;
        },
      });
    }
    expect(steps).toBe(1);
  });
});
