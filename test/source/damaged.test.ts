import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  addImage,
  type BuiltImage,
  blobPath,
  buildOciLayout,
  compress,
  digestOf,
  tagged,
  writeBlob,
  writeDocument,
  writeIndex,
} from '../fixtures/image-builder.js';
import { tarArchive, tarHeader } from '../layer/tar-builder.js';
import { faultOf, makeScratch, run, type Scratch } from './support/scratch.js';

let scratch: Scratch;
let image: BuiltImage;
let count = 0;
const layerTar = (name: string) =>
  tarArchive([{ name, content: name.repeat(40_000) }, { name: 'last' }]);
const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

beforeAll(() => {
  scratch = makeScratch();
  image = buildOciLayout(scratch.path('sound'), [
    { tar: layerTar('a'), compression: 'gzip' },
    { tar: layerTar('b'), compression: 'zstd' },
    { tar: layerTar('c') },
  ]);
});
afterAll(() => scratch.remove());

/** A copy of the sound layout for one test to damage. */
function copy(): string {
  count += 1;
  const path = scratch.path(`copy-${count}`);
  cpSync(scratch.path('sound'), path, { recursive: true });
  return path;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
  writeFileSync(path, bytes);
}

/** The fault of a layout whose only layer is stored as `stored` and must be `tar` when uncompressed. */
async function layerFault(stored: Buffer, tar: Buffer, mediaType = OCI_LAYER): Promise<string> {
  count += 1;
  const path = scratch.path(`made-${count}`);
  const built = addImage(path, [{ tar }]);
  const layer = writeBlob(path, stored, mediaType);
  const document = { schemaVersion: 2, config: built.config, layers: [layer] };
  writeIndex(path, [writeDocument(path, document, built.manifest.mediaType)]);
  const fault = await faultOf(scratch.load(`oci:${path}`));
  // A fault in a layer names the layer and its file.
  expect(fault).toContain(layer.digest);
  return fault;
}

test('the sound image loads, and leaves nothing but what its tree needs', async () => {
  const spoolDirectory = scratch.path('kept');
  mkdirSync(spoolDirectory);
  const { root } = await scratch.load(`oci:${scratch.path('sound')}`, { spoolDirectory });
  expect([...root.children.keys()].sort()).toEqual(['a', 'b', 'c', 'last']);
  // The largest layer is plain, and the others are uncompressed when they are packed.
  expect(readdirSync(spoolDirectory)).toEqual([]);
});

describe('every blob', () => {
  test('one byte changed, at the start, in the middle and at the end', async () => {
    for (const { digest, size } of [image.manifest, image.config, ...image.layers]) {
      for (const at of [0, size >> 1, size - 1]) {
        const path = copy();
        flip(blobPath(path, digest), at);
        const fault = await faultOf(scratch.load(`oci:${path}`));
        // The first bytes may also turn into the mark of another compression.
        expect(fault).toMatch(/^E_DIGEST .*has the digest/);
        expect(fault).toContain(digest);
        rmSync(path, { recursive: true });
      }
    }
  });

  test('missing, cut off, extended, a directory, unreadable link', async () => {
    for (const { digest } of [image.manifest, image.config, ...image.layers]) {
      const damages: [(blob: string) => void, RegExp][] = [
        [(blob) => rmSync(blob), /^E_SOURCE reading .*: opening .*: ENOENT/],
        [(blob) => truncateSync(blob, 10), /^E_DIGEST .* has 10 bytes, announced were \d+/],
        [(blob) => appendFileSync(blob, '\0'), /^E_DIGEST .* has \d+ bytes, announced were \d+/],
        [
          (blob) => {
            rmSync(blob);
            symlinkSync('/', blob);
          },
          /^E_SOURCE .*not a regular file/,
        ],
      ];
      for (const [damage, message] of damages) {
        const path = copy();
        damage(blobPath(path, digest));
        const fault = await faultOf(scratch.load(`oci:${path}`));
        expect(fault).toMatch(message);
        expect(fault).toContain(digest.slice(7));
        rmSync(path, { recursive: true });
      }
    }
  });
});

describe('layers with the right digest and wrong contents', () => {
  const tar = layerTar('x');
  const gzip = compress(tar, 'gzip');
  const zstd = compress(tar, 'zstd');
  test.each([
    ['truncated gzip', gzip.subarray(0, -20), /^E_FORMAT .*gzip data is cut off/],
    ['truncated zstd', zstd.subarray(0, -2), /^E_FORMAT .*zstd data is cut off/],
    [
      'garbage behind gzip',
      Buffer.concat([gzip, Buffer.from('garbage')]),
      /^E_FORMAT .*gzip data is damaged/,
    ],
    [
      'garbage behind zstd',
      Buffer.concat([zstd, Buffer.from('garbage')]),
      /^E_FORMAT .*other bytes follow/,
    ],
    [
      'another tar',
      compress(layerTar('y'), 'gzip'),
      /^E_DIGEST .*has the diffID .*the image config says/,
    ],
    ['no tar', Buffer.alloc(2000, 'x'), /^E_DIGEST .*has the diffID/],
  ] as [string, Buffer, RegExp][])('%s', async (_, stored, message) => {
    expect(await layerFault(stored, tar)).toMatch(message);
  });

  test.each([
    ['no tar at all', Buffer.alloc(2000, 'x'), /checksum of an entry is not a number/],
    ['cut off inside a file', layerTar('x').subarray(0, 20_000), /ends inside an entry/],
    ['cut off inside a header', tarHeader({ name: 'x' }).subarray(0, 300), /ends inside an entry/],
  ] as [string, Buffer, RegExp][])('%s, and the config agrees', async (_, stored, message) => {
    for (const compression of ['none', 'gzip', 'zstd'] as const) {
      const fault = await layerFault(compress(stored, compression), stored);
      expect(fault).toMatch(/^E_FORMAT /);
      expect(fault).toMatch(message);
    }
  });

  test.each([
    ['encrypted', `${OCI_LAYER}+gzip+encrypted`, /is encrypted .*--decryption-key/],
    ['foreign (Docker)', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', /is foreign/],
    [
      'non-distributable',
      'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      /is foreign/,
    ],
    ['another type', 'application/x-squashfs', /unknown type application\/x-squashfs/],
  ])('%s', async (_, mediaType, message) => {
    const fault = await layerFault(gzip, tar, mediaType);
    expect(fault).toMatch(/^E_UNSUPPORTED /);
    expect(fault).toMatch(message);
  });
});

describe('archives', () => {
  test('every byte of an oci-archive header or blob that matters is noticed', async () => {
    const archive = scratch.path('image.tar');
    run('tar', '-C', scratch.path('sound'), '-cf', archive, '.');
    await scratch.load(`oci-archive:${archive}`);
    for (const { digest } of [image.manifest, image.config, ...image.layers]) {
      const bytes = readFileSync(archive);
      const at = bytes.indexOf(readFileSync(blobPath(scratch.path('sound'), digest)));
      writeFileSync(scratch.path('flipped.tar'), bytes);
      flip(scratch.path('flipped.tar'), at + 30);
      expect(await faultOf(scratch.load(`oci-archive:${scratch.path('flipped.tar')}`))).toMatch(
        /^E_DIGEST/,
      );
    }
    truncateSync(archive, 30_000);
    expect(await faultOf(scratch.load(`oci-archive:${archive}`))).toMatch(
      /^E_FORMAT .*ends inside an entry/,
    );
    expect(await faultOf(scratch.load(`oci-archive:${scratch.path('nowhere')}`))).toMatch(
      /^E_SOURCE .*ENOENT/,
    );
    writeFileSync(archive, 'not a tar archive'.repeat(100));
    expect(await faultOf(scratch.load(`oci-archive:${archive}`))).toMatch(
      /^E_FORMAT .*(checksum|not a number)/,
    );
  });

  test('an archive of the other kind is named', async () => {
    const docker = scratch.path('docker.tar');
    // Docker's format has no zstd.
    const layers = [{ tar: layerTar('a'), compression: 'gzip' as const }, { tar: layerTar('b') }];
    buildOciLayout(scratch.path('plain'), layers);
    const from = `oci:${scratch.path('plain')}`;
    run('skopeo', '--insecure-policy', 'copy', '-q', from, `docker-archive:${docker}`);
    expect(await faultOf(scratch.load(`oci-archive:${docker}`))).toMatch(
      /no oci-layout in it .*docker-archive:/,
    );
    const oci = scratch.path('oci.tar');
    run('tar', '-C', scratch.path('sound'), '-cf', oci, '.');
    expect(await faultOf(scratch.load(`docker-archive:${oci}`))).toMatch(
      /no manifest.json .*oci-archive:/,
    );
    const bytes = readFileSync(docker);
    const names = run('tar', '-tf', docker)
      .split('\n')
      .filter((name) => /^[0-9a-f]{64}\.(json|tar)$/.test(name));
    expect(names.length).toBe(3);
    for (const name of names) {
      const header = bytes.indexOf(`${basename(name)}\0`);
      writeFileSync(docker, bytes);
      flip(docker, header + 512 + 700 * (name.endsWith('.tar') ? 1 : 0) + 20);
      expect(await faultOf(scratch.load(`docker-archive:${docker}`))).toMatch(/^E_DIGEST/);
    }
  });
});

describe('what a source needs to be', () => {
  test('a layout has its files, of a known version', async () => {
    const path = copy();
    writeFileSync(`${path}/oci-layout`, '{"imageLayoutVersion":"2.0.0"}');
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(/^E_UNSUPPORTED .*version 2.0.0/);
    rmSync(`${path}/oci-layout`);
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(/^E_SOURCE .*oci-layout: ENOENT/);
    writeFileSync(`${path}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(`${path}/index.json`, '{"schemaVersion":2');
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(
      /^E_FORMAT .*index.json: it is not JSON/,
    );
  });

  test('config and manifest count the same layers', async () => {
    const path = scratch.path('counts');
    const built = addImage(path, [{ tar: layerTar('a') }]);
    const document = {
      schemaVersion: 2,
      config: built.config,
      layers: [...built.layers, ...built.layers],
    };
    writeIndex(path, [writeDocument(path, document, built.manifest.mediaType)]);
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(
      /^E_FORMAT .*manifest has 2 layers, the config 1 diffIDs/,
    );
  });

  test('an artifact is no image, nor is schema 1', async () => {
    const path = scratch.path('artifact');
    const config = writeBlob(path, Buffer.from('{}'), 'application/vnd.oci.empty.v1+json');
    const manifest = writeDocument(
      path,
      { schemaVersion: 2, config, layers: [] },
      image.manifest.mediaType,
    );
    writeIndex(path, [manifest]);
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(
      /^E_UNSUPPORTED .*not a container image/,
    );
    writeIndex(path, [
      { ...manifest, mediaType: 'application/vnd.docker.distribution.manifest.v1+json' },
    ]);
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(/^E_UNSUPPORTED .*schema 1/);
  });

  test('a full or read-only spool directory is an error of the output', async () => {
    const tarfile = scratch.path('large.tar.gz');
    writeFileSync(
      tarfile,
      compress(tarArchive([{ name: 'x', content: Buffer.alloc(2 ** 20) }]), 'gzip'),
    );
    const fault = faultOf(
      scratch.load(`tar:${tarfile}`, { spoolDirectory: scratch.path('missing') }),
    );
    expect(await fault).toMatch(/^E_OUTPUT .*uncompressing it to .*ENOENT.*TMPDIR/);
    const full = scratch.path('full');
    run('mkdir', full);
    run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', full);
    try {
      expect(await faultOf(scratch.load(`tar:${tarfile}`, { spoolDirectory: full }))).toMatch(
        /^E_OUTPUT .*ENOSPC/,
      );
    } finally {
      run('umount', full);
    }
  });

  test('indexes in a circle cannot pass, and deep ones are refused', async () => {
    const path = scratch.path('circle');
    const type = 'application/vnd.oci.image.index.v1+json';
    // Digests make a true circle impossible; this is the nearest: a document that names itself, with a digest that is not its own.
    const name = digestOf(Buffer.from('x'));
    const itself = { mediaType: type, digest: name, size: 0 };
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [itself] }));
    writeIndex(path, [{ ...itself, size: bytes.length }]);
    writeBlob(path, bytes, type);
    writeFileSync(blobPath(path, name), bytes);
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(/^E_DIGEST/);
    let inner = addImage(path, [{ tar: layerTar('a') }]).manifest;
    for (let depth = 0; depth < 8; depth += 1) {
      // Forty times each: without a bound, every level would be forty times the work.
      inner = writeDocument(
        path,
        { schemaVersion: 2, depth, manifests: Array(40).fill(inner) },
        type,
      );
    }
    writeIndex(path, [tagged(inner, 'deep')]);
    expect((await scratch.load(`oci:${path}:deep`)).root.children.size).toBe(2);
    const deeper = writeDocument(path, { schemaVersion: 2, manifests: [inner] }, type);
    const deepest = writeDocument(path, { schemaVersion: 2, manifests: [deeper] }, type);
    writeIndex(path, [deepest]);
    expect(await faultOf(scratch.load(`oci:${path}`))).toMatch(/^E_FORMAT .*more than 8 deep/);
  });
});
