import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { randomBytes, tarHeader } from './generate.mjs';
import { throwIfStopped } from './measure.mjs';

const fileBytes = 1 << 20;

/**
 * Writes an OCI layout with one image, `latest`: a gzip layer for each entry of `layers`, which says how many files of
 * 1 MiB it holds. Nothing can compress them, so gzip is told not to try. Gives the bytes of the largest layer uncompressed.
 */
export async function writeLayeredImage(layout, layers) {
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const written = [];
  for (const [index, files] of layers.entries()) {
    written.push(await writeLayer(blobs, `layer-${index}`, files));
  }
  const config = writeDocument(blobs, 'application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: { Cmd: ['/bin/true'] },
    rootfs: { type: 'layers', diff_ids: written.map(({ diffId }) => diffId) },
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = writeDocument(blobs, mediaType, {
    schemaVersion: 2,
    mediaType,
    config,
    layers: written.map(({ descriptor }) => descriptor),
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  return Math.max(...written.map(({ uncompressed }) => uncompressed));
}

async function writeLayer(blobs, name, files) {
  const diffId = createHash('sha256');
  const digest = createHash('sha256');
  const counts = { uncompressed: 0, compressed: 0 };
  const path = join(blobs, name);
  await pipeline(
    tarOf(name, files),
    (parts) => hashed(parts, diffId, (length) => (counts.uncompressed += length)),
    createGzip({ level: 0, chunkSize: 1 << 20 }),
    (parts) => hashed(parts, digest, (length) => (counts.compressed += length)),
    createWriteStream(path),
  );
  const hex = digest.digest('hex');
  renameSync(path, join(blobs, hex));
  return {
    diffId: `sha256:${diffId.digest('hex')}`,
    uncompressed: counts.uncompressed,
    descriptor: {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: `sha256:${hex}`,
      size: counts.compressed,
    },
  };
}

function* tarOf(name, files) {
  const random = randomBytes(name);
  yield tarHeader(`${name}/`, '5', 0);
  for (let index = 0; index < files; index++) {
    throwIfStopped();
    yield tarHeader(`${name}/${String(index).padStart(4, '0')}`, '0', fileBytes);
    yield random(fileBytes);
  }
  yield Buffer.alloc(1024);
}

async function* hashed(parts, hash, count) {
  for await (const part of parts) {
    hash.update(part);
    count(part.length);
    yield part;
  }
}

function writeDocument(blobs, mediaType, document) {
  const bytes = Buffer.from(JSON.stringify(document));
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}
