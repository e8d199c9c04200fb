import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostPlatform } from '#rundle/oci/platform.js';
import { parseSource } from '#rundle/source/open.js';
import {
  addImage,
  type BuiltImage,
  tagged,
  writeDocument,
  writeIndex,
} from '../fixtures/image-builder.js';
import { tarArchive } from '../layer/tar-builder.js';
import { faultOf, makeScratch, run, type Scratch } from './support/scratch.js';

let scratch: Scratch;
let images: Record<'amd64' | 'arm64' | 'other', BuiltImage>;
const INDEX = 'application/vnd.oci.image.index.v1+json';

beforeAll(() => {
  scratch = makeScratch();
  const make = (name: string, architecture: string) =>
    addImage(scratch.path('layout'), [{ tar: tarArchive([{ name }]) }], { architecture });
  images = {
    amd64: make('for-amd64', 'amd64'),
    arm64: make('for-arm64', 'arm64'),
    other: make('for-s390x', 's390x'),
  };
});
afterAll(() => scratch.remove());

const on = (architecture: 'amd64' | 'arm64') => ({
  ...images[architecture].manifest,
  platform: { os: 'linux', architecture },
});
const wanted = (architecture: string) => ({ platform: { os: 'linux', architecture } });
async function names(reference = '', context = {}): Promise<string> {
  const source = await scratch.load(`oci:${scratch.path('layout')}${reference}`, context);
  return [...source.root.children.keys()].join();
}
const fault = (reference = '', context = {}) => faultOf(names(reference, context));

describe('specifications', () => {
  test('are taken apart at the first colon', () => {
    expect(parseSource('oci:/a b/c')).toEqual({ transport: 'oci', location: '/a b/c' });
    expect(parseSource('oci:dir:example.org:5000/x:v1')).toEqual({
      transport: 'oci',
      location: 'dir',
      reference: 'example.org:5000/x:v1',
    });
    expect(parseSource('dir:a:b')).toEqual({ transport: 'dir', location: 'a:b' });
    expect(parseSource('tar:x.tar')).toEqual({ transport: 'tar', location: 'x.tar' });
  });

  test.each(['', 'oci', 'x.tar', '/path', ':x', 'ftp://ubuntu', 'OCI:x'])('unknown: %j', (text) => {
    expect(() => parseSource(text)).toThrow(
      expect.objectContaining({
        code: 'E_USAGE',
        hint: expect.stringContaining(
          'oci:DIR[:REF], oci-archive:FILE[:REF], docker-archive:FILE[:REF], dir:DIR, tar:FILE',
        ),
      }),
    );
  });

  test.each(['oci:', 'oci::x', 'oci:x:', 'dir:', 'tar:', 'tar:a\0b'])('incomplete: %j', (text) => {
    expect(() => parseSource(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  });

  test('whatever is accepted can be put together again', () => {
    const part = fc.constantFrom('oci', 'dir', 'docker-archive', ':', '/', 'a', '@', ' ', 'ü');
    fc.assert(
      fc.property(
        fc.array(part).map((parts) => parts.join('')),
        (text) => {
          try {
            const { transport, location, reference } = parseSource(text);
            expect(
              [transport, location, ...(reference === undefined ? [] : [reference])].join(':'),
            ).toBe(text);
            expect(location).not.toBe('');
          } catch (error) {
            expect(error).toMatchObject({ code: 'E_USAGE' });
          }
        },
      ),
    );
  });
});

describe('references in a layout', () => {
  beforeAll(() => {
    writeIndex(scratch.path('layout'), [
      tagged(images.amd64.manifest, 'a:1'),
      tagged(images.amd64.manifest, 'a:2'),
      tagged(images.arm64.manifest, 'b'),
      {
        ...images.other.manifest,
        annotations: { 'io.containerd.image.name': 'docker.io/library/c:1' },
      },
    ]);
  });

  test('by name, digest and position', async () => {
    expect(await names(':a:1')).toBe('for-amd64');
    expect(await names(':a:2')).toBe('for-amd64');
    expect(await names(':b')).toBe('for-arm64');
    expect(await names(':docker.io/library/c:1')).toBe('for-s390x');
    expect(await names(`:@${images.arm64.manifest.digest}`)).toBe('for-arm64');
    expect(await names(`:b@${images.arm64.manifest.digest}`)).toBe('for-arm64');
    expect(await names(':@3')).toBe('for-s390x');
  });

  test('a wrong or missing one lists the names', async () => {
    const list =
      /there is a:1, a:2, b, docker.io\/library\/c:1 \| name one of them, for example oci:.*layout:a:1$/;
    for (const reference of [
      ':a',
      `:a:1@${images.arm64.manifest.digest}`,
      `:@sha256:${'0'.repeat(64)}`,
      ':@4',
      ':a@0',
    ]) {
      expect(await fault(reference)).toMatch(/^E_SOURCE .*no image of that name/);
      expect(await fault(reference)).toMatch(list);
    }
    expect(await fault()).toMatch(/^E_SOURCE .*it has several images/);
    expect(await fault()).toMatch(list);
  });

  test('several tags of one image are one image, none is an error', async () => {
    writeIndex(scratch.path('layout'), [
      tagged(images.amd64.manifest, 'x'),
      tagged(images.amd64.manifest, 'y'),
    ]);
    expect(await names()).toBe('for-amd64');
    writeIndex(scratch.path('layout'), []);
    expect(await fault()).toMatch(/^E_SOURCE .*there is no image at all/);
  });
});

describe('platforms', () => {
  test('an index gives the image for the host, or the one asked for', async () => {
    const host = hostPlatform().architecture;
    const attestation = {
      ...on('arm64'),
      annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
    };
    const inner = writeDocument(
      scratch.path('layout'),
      { schemaVersion: 2, manifests: [attestation, on('arm64')] },
      INDEX,
    );
    const outer = writeDocument(
      scratch.path('layout'),
      {
        schemaVersion: 2,
        manifests: [on('amd64'), inner, images.other.manifest],
      },
      INDEX,
    );
    const layouts = [[outer], [tagged(outer, 'latest')], [on('amd64'), on('arm64')]];
    for (const manifests of layouts) {
      writeIndex(scratch.path('layout'), manifests);
      expect(await names()).toBe(`for-${host}`);
      expect(await names('', wanted('arm64'))).toBe('for-arm64');
      expect(await names('', wanted('amd64'))).toBe('for-amd64');
      expect(await fault('', wanted('riscv64'))).toMatch(
        /^E_PLATFORM choosing an image for linux\/riscv64 .*: it has linux\/amd64, linux\/arm64/,
      );
    }
    writeIndex(scratch.path('layout'), [outer]);
    // Its descriptor says no platform: the config does.
    expect(await names('', wanted('s390x'))).toBe('for-s390x');
  });

  test('an image that stands alone is taken, unless another platform was asked for', async () => {
    writeIndex(scratch.path('layout'), [tagged(images.other.manifest, 'x')]);
    expect(await names()).toBe('for-s390x');
    expect(await names('', wanted('s390x'))).toBe('for-s390x');
    expect(await fault('', wanted('amd64'))).toMatch(
      /^E_PLATFORM .*it has linux\/s390x \| choose one with --platform linux\/s390x/,
    );
  });
});

describe('docker archives', () => {
  const load = (reference = '') =>
    scratch.load(`docker-archive:${scratch.path('two.tar')}${reference}`);
  beforeAll(() => {
    writeIndex(scratch.path('layout'), [
      tagged(images.amd64.manifest, 'a'),
      tagged(images.arm64.manifest, 'b'),
    ]);
    for (const name of ['a', 'b']) {
      const to = `docker-archive:${scratch.path(`${name}.tar`)}:docker.io/library/${name}:latest`;
      run('skopeo', '--insecure-policy', 'copy', '-q', `oci:${scratch.path('layout')}:${name}`, to);
      run('mkdir', scratch.path(`x-${name}`));
      run('tar', '-C', scratch.path(`x-${name}`), '-xf', scratch.path(`${name}.tar`));
    }
    const manifest = ['a', 'b'].flatMap((name) =>
      JSON.parse(run('cat', scratch.path(`x-${name}/manifest.json`))),
    );
    writeFileSync(scratch.path('x-a/manifest.json'), JSON.stringify(manifest));
    run('sh', '-c', 'cp -an "$1"/. "$2"', 'sh', scratch.path('x-b'), scratch.path('x-a'));
    run('tar', '-C', scratch.path('x-a'), '-cf', scratch.path('two.tar'), '.');
  });

  test('by tag, with and without what Docker adds, and by position', async () => {
    for (const reference of [
      ':b',
      ':b:latest',
      ':docker.io/library/b:latest',
      ':library/b',
      ':@1',
    ]) {
      expect([...(await load(reference)).root.children.keys()]).toEqual(['for-arm64']);
    }
    expect(await faultOf(load(':c'))).toMatch(
      /^E_SOURCE .*no image of that name.*docker.io\/library\/a:latest, .*b:latest/,
    );
    expect(await faultOf(load())).toMatch(
      /^E_SOURCE .*several images.*docker.io\/library\/a:latest, .*b:latest/,
    );
    const { provenance } = await load(':a');
    expect(provenance).toMatchObject({
      transport: 'docker-archive',
      reference: 'a',
      diffIds: images.amd64.diffIds,
    });
  });

  test('layers by old paths, as links, and by digest over an OCI layout', async () => {
    const config = `blobs/sha256/${images.amd64.config.digest.slice(7)}`;
    const layer = `blobs/sha256/${images.amd64.layers[0]?.digest.slice(7)}`;
    const make = (directory: string, layers: string[]) => {
      run('cp', '-a', scratch.path('layout'), directory);
      writeFileSync(
        `${directory}/manifest.json`,
        JSON.stringify([{ Config: config, RepoTags: null, Layers: layers }]),
      );
    };
    make(scratch.path('new'), [layer]);
    run('tar', '-C', scratch.path('new'), '-cf', scratch.path('new.tar'), 'manifest.json', 'blobs');
    make(scratch.path('old'), ['id/layer.tar']);
    run(
      'sh',
      '-c',
      'cd "$1" && mkdir id && ln -s "../$2" id/layer.tar',
      'sh',
      scratch.path('old'),
      layer,
    );
    run('tar', '-C', scratch.path('old'), '-cf', scratch.path('old.tar'), '.');
    for (const name of ['new', 'old']) {
      const { root } = await scratch.load(`docker-archive:${scratch.path(`${name}.tar`)}`);
      expect([...root.children.keys()]).toEqual(['for-amd64']);
    }
  });
});
