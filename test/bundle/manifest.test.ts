import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeJsonBytes, encodeJsonBytes } from '#rundle/bundle/json-bytes.js';
import {
  decodeManifest,
  encodeManifest,
  listOmissions,
  type Manifest,
  OMISSION_LIMIT,
} from '#rundle/bundle/manifest.js';
import { type ByteString, fromBytes } from '#rundle/tree/byte-string.js';

const manifest: Manifest = {
  schema: 1,
  rundle: '0.1.0',
  name: 'app',
  labels: {},
  architectures: ['x86_64'],
  provenance: { transport: 'dir', diffIds: [] },
  config: {
    entrypoint: [],
    cmd: [],
    env: [],
    workdir: '/',
    user: '',
    exposedPorts: [],
    volumes: [],
  },
  overrides: [],
  payload: { blockSize: 4096, level: 1, inodes: 1, contentBytes: 0, duplicateBytes: 0 },
  omissions: [],
  omissionCount: 0,
  launchers: [],
};

test('any bytes survive JSON', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.string({ unit: 'binary' }).map((s) => Buffer.from(s)),
      ),
      (list) => {
        const bytes = fromBytes(list);
        const json = JSON.parse(JSON.stringify(encodeJsonBytes(bytes)));
        expect(decodeJsonBytes(json)).toBe(bytes);
      },
    ),
  );
  expect(encodeJsonBytes('caf\xc3\xa9' as ByteString)).toBe('café');
  expect(encodeJsonBytes('caf\xe9' as ByteString)).toEqual({ base64: 'Y2Fm6Q==' });
});

test('labels come in the order of their names, whatever order they had', () => {
  const labels = [
    { b: '1', a: '2' },
    { a: '2', b: '1' },
  ];
  const [one, two] = labels.map((labels) => encodeManifest({ ...manifest, labels }));
  expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true);
  expect(Object.keys(decodeManifest(one ?? Buffer.alloc(0), 'x').labels)).toEqual(['a', 'b']);
});

test('keys of later versions are left out', () => {
  const bytes = Buffer.from(JSON.stringify({ ...manifest, later: 1 }));
  expect(decodeManifest(bytes, 'x')).toEqual(manifest);
});

test('omissions are bounded in number and in bytes, and all are counted', () => {
  const many = Array.from({ length: 10_005 }, (_, i) => ({
    path: `${i}` as ByteString,
    what: 'ACL',
  }));
  const listed = listOmissions(many);
  expect([listed.omissions.length, listed.omissionCount]).toEqual([OMISSION_LIMIT, 10_005]);
  const long = many.map(() => ({ path: '\x01'.repeat(4096) as ByteString, what: 'ACL' }));
  const bounded = listOmissions(long);
  expect(bounded.omissions.length).toBeGreaterThan(100);
  expect(bounded.omissionCount).toBe(10_005);
  expect(encodeManifest({ ...manifest, ...bounded }).length).toBeLessThan(16 << 20);
});

test('what is too large or not of the schema is not written', () => {
  const labels = { a: 'x'.repeat(17 << 20) };
  expect(() => encodeManifest({ ...manifest, labels })).toThrow(
    expect.objectContaining({ code: 'E_UNSUPPORTED' }),
  );
  expect(() => encodeManifest({ ...manifest, omissionCount: -1 })).toThrow(
    expect.objectContaining({
      code: 'E_FORMAT',
      message: expect.stringContaining('omissionCount'),
    }),
  );
});
