import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptyImageConfig, parseConfig } from '#rundle/oci/config.js';
import { MAX_DOCUMENT_SIZE, parseDocument, parseIndex } from '#rundle/oci/document.js';
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  documentKind,
  isImageConfig,
  isSchema1,
  layerKind,
  OCI_INDEX,
  OCI_MANIFEST,
} from '#rundle/oci/media-type.js';

const digest = `sha256:${'a'.repeat(64)}`;
const descriptor = { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size: 3 };
const manifest = { schemaVersion: 2, config: descriptor, layers: [descriptor] };
const index = { schemaVersion: 2, manifests: [descriptor] };
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const parse = (value: unknown, type = '') => parseDocument(bytes(value), type, 'reading x');

describe('manifests and indexes', () => {
  test('are told apart by media type and fields', () => {
    for (const type of ['', OCI_MANIFEST, DOCKER_MANIFEST]) {
      expect(parse(manifest, type).kind).toBe('manifest');
      if (type) expect(() => parse(index, type)).toThrow(/media type says manifest/);
    }
    for (const type of ['', OCI_INDEX, DOCKER_MANIFEST_LIST, `${OCI_INDEX}; charset=utf-8`]) {
      expect(parse(index, type).kind).toBe('index');
      if (type) expect(() => parse(manifest, type)).toThrow(/media type says index/);
    }
    expect(() => parse({ ...manifest, mediaType: OCI_INDEX })).toThrow(/media type says index/);
    expect(() => parse({ ...manifest, ...index })).toThrow(/of a manifest and of an index/);
    expect(() => parse({ schemaVersion: 2 })).toThrow(/neither/);
  });

  test.each([
    ['schemaVersion', { ...manifest, schemaVersion: 1 }, /schemaVersion/],
    ['no layers', { ...manifest, layers: null }, /layers/],
    [
      'digest',
      { ...manifest, config: { ...descriptor, digest: 'sha256:../x' } },
      /config.digest: is not/,
    ],
    ['size', { ...manifest, config: { ...descriptor, size: -1 } }, /config.size/],
    ['fraction', { ...manifest, config: { ...descriptor, size: 1.5 } }, /config.size/],
    [
      'NUL',
      { ...manifest, layers: [{ ...descriptor, mediaType: 'a\0' }] },
      /layers.0.mediaType: holds a NUL/,
    ],
    ['many layers', { ...manifest, layers: Array(4097).fill(descriptor) }, /layers/],
    ['a list', [], /reading x/],
    ['null', null, /reading x/],
  ])('refused: %s', (_, value, message) => {
    expect(() => parse(value)).toThrow(message);
  });

  test('what is no JSON in UTF-8, or too large', () => {
    for (const raw of [Buffer.from('{'), Buffer.from([0x22, 0xff, 0x22]), Buffer.alloc(0)]) {
      expect(() => parseIndex(raw, 'reading x')).toThrow(/reading x: it is not JSON/);
    }
    const large = Buffer.alloc(MAX_DOCUMENT_SIZE + 1, ' ');
    expect(() => parseIndex(large, 'reading x')).toThrow(/more than the 4194304 allowed/);
  });

  test('any JSON is either understood or refused with E_FORMAT', () => {
    const field = fc.constantFrom(
      'schemaVersion',
      'layers',
      'config',
      'manifests',
      'mediaType',
      'digest',
      'rootfs',
    );
    const value = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'small' },
        fc.jsonValue(),
        fc.constant(descriptor),
        fc.dictionary(field, tie('tree')),
      ),
    })).tree;
    fc.assert(
      fc.property(value, (json) => {
        for (const read of [() => parse(json), () => parseConfig(bytes(json), 'reading x')]) {
          try {
            read();
          } catch (error) {
            expect(error).toMatchObject({ code: 'E_FORMAT' });
          }
        }
      }),
    );
  });
});

test('media types', () => {
  expect(documentKind(OCI_MANIFEST.toUpperCase())).toBe('manifest');
  expect(documentKind('text/plain')).toBeUndefined();
  expect(isSchema1('application/vnd.docker.distribution.manifest.v1+prettyjws')).toBe(true);
  expect(isImageConfig('application/vnd.oci.empty.v1+json')).toBe(false);
  expect(isImageConfig('application/vnd.docker.container.image.v1+json')).toBe(true);
  const oci = 'application/vnd.oci.image.layer.v1.tar';
  const docker = 'application/vnd.docker.image.rootfs.diff.tar';
  for (const type of [
    oci,
    `${oci}+gzip`,
    `${oci}+zstd`,
    docker,
    `${docker}.gzip`,
    `${docker}.zstd`,
  ]) {
    expect(layerKind(type), type).toBe('tar');
  }
  expect(layerKind(`${oci}+gzip+encrypted`)).toBe('encrypted');
  expect(layerKind('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip')).toBe('foreign');
  expect(layerKind('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip')).toBe('foreign');
  expect(layerKind('application/vnd.sylabs.sif.layer.v1.sif')).toBe('unknown');
  expect(layerKind(`${oci}x`)).toBe('unknown');
});

describe('configs', () => {
  const rootfs = { type: 'layers', diff_ids: [digest] };
  test('everything set', () => {
    const { config, diffIds } = parseConfig(
      bytes({
        architecture: 'arm64',
        os: 'linux',
        variant: 'v8',
        created: '2020-01-01T00:00:00Z',
        rootfs,
        config: {
          Entrypoint: ['/e', 'a b'],
          Cmd: ['c'],
          Env: ['A=1', 'B=x y'],
          WorkingDir: 'rel/ative',
          User: 'u:g',
          Labels: { k: 'v', __proto__x: 'w' },
          Volumes: { '/b': {}, '/a': {} },
          ExposedPorts: { '80/tcp': {} },
          StopSignal: 'SIGINT',
        },
      }),
      'reading x',
    );
    expect(config).toEqual({
      architecture: 'arm64',
      os: 'linux',
      variant: 'v8',
      created: '2020-01-01T00:00:00Z',
      entrypoint: ['/e', 'a b'],
      cmd: ['c'],
      env: ['A=1', 'B=x y'],
      workingDir: '/rel/ative',
      user: 'u:g',
      labels: { k: 'v', __proto__x: 'w' },
      volumes: ['/a', '/b'],
      exposedPorts: ['80/tcp'],
      stopSignal: 'SIGINT',
    });
    expect(diffIds).toEqual([digest]);
  });

  test('nothing set, null, and empty are the same', () => {
    const empty = emptyImageConfig({ os: 'linux', architecture: 'amd64' });
    const base = { architecture: 'amd64', os: 'linux', rootfs };
    const keys = [
      'Entrypoint',
      'Cmd',
      'Env',
      'WorkingDir',
      'User',
      'Labels',
      'Volumes',
      'ExposedPorts',
      'StopSignal',
    ];
    const nulls = Object.fromEntries(keys.map((key) => [key, null]));
    const blanks = {
      Entrypoint: [],
      Cmd: [],
      Env: [],
      WorkingDir: '',
      User: '',
      Labels: {},
      Volumes: {},
      ExposedPorts: {},
      StopSignal: '',
    };
    for (const config of [undefined, null, {}, nulls, blanks]) {
      expect(parseConfig(bytes({ ...base, variant: null, config }), 'x').config).toEqual(empty);
    }
  });

  test.each([
    ['NUL in Env', { Env: ['A=\0'] }],
    ['number in Cmd', { Cmd: [1] }],
    ['Labels', { Labels: { a: 1 } }],
  ])('refused: %s', (_, config) => {
    expect(() => parseConfig(bytes({ rootfs, config }), 'reading x')).toThrow(
      /reading x: config\./,
    );
  });
});
