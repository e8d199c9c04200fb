import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildOciLayout } from '../fixtures/image-builder.js';
import { type EntryFields, tarArchive } from '../layer/tar-builder.js';
import { makeScratch, run, type Scratch } from './support/scratch.js';
import { listDirectory } from './support/tree-listing.js';

const cli = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const MIB = 1 << 20;
/** Directories, and the rest of the last page of files. */
const SLACK = 64 * 1024;

/** Bytes that nothing compresses, other ones for each name. */
function noise(name: string, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < size; at += 32) {
    parts.push(createHash('sha256').update(`${name} ${at}`).digest());
  }
  return Buffer.concat(parts).subarray(0, size);
}

const noisy = (name: string, size: number): EntryFields => ({ name, content: noise(name, size) });
const under = (name: string): EntryFields => ({ name, type: '5', mode: 0o755 });
const libc = run('sh', '-c', "ldd /bin/sh | sed -n 's/.*=> \\([^ ]*\\).*/\\1/p'").trim();
const loader = run('sh', '-c', "ldd /bin/sh | sed -n 's/^[ \\t]*\\(\\/[^ ]*\\).*/\\1/p'").trim();

/** Layers in which every turn counts: hidden files, equal ones in several, and the programs of the start in small ones. */
const layers: EntryFields[][] = [
  [
    under('./'),
    ...['bin', 'lib', 'lib64', 'etc', 'a', 'c', 'e'].map(under),
    { name: 'bin/sh', content: readFileSync('/bin/sh'), mode: 0o755 },
    { name: `lib/${libc.split('/').at(-1)}`, content: readFileSync(libc), mode: 0o755 },
    { name: `.${loader}`, content: readFileSync(loader), mode: 0o755 },
    { name: 'etc/passwd', content: 'root:x:0:0::/:/bin/sh\n' },
    noisy('hidden', 2 * MIB),
  ],
  [
    under('a'),
    ...[1, 2, 3, 4, 5, 6, 7].map((index) => noisy(`a/${index}`, MIB + index)),
    noisy('a/changed', 90_000),
  ],
  [under('b'), noisy('b/1', 3 * MIB), { name: '.wh.hidden' }],
  [
    under('c'),
    { name: 'c/twin', content: noise('a/3', MIB + 3) },
    { name: 'c/small', content: noise('b/small', 500) },
    noisy('c/1', 2 * MIB),
    { name: 'bin/program', content: '#!/bin/sh\nexit 0\n', mode: 0o755 },
  ],
  [
    under('e'),
    { name: 'e/small', content: noise('b/small', 500) },
    { name: 'a/changed', content: noise('changed', 90_000) },
    { name: 'e/start', content: Buffer.concat([noise('a/3', MIB), Buffer.alloc(3, 1)]) },
  ],
];

const archives = layers.map(tarArchive);
const largest = Math.max(...archives.map(({ length }) => length));

let scratch: Scratch;
beforeAll(() => {
  scratch = makeScratch();
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    buildOciLayout(
      scratch.path(compression),
      archives.map((tar) => ({ tar, compression })),
      { config: { Entrypoint: ['/bin/program'] } },
      'image',
    );
  }
});
afterAll(() => scratch.remove());

/** Builds with temporary files on a file system of `size` bytes, in a mount namespace of its own. */
function buildWithin(size: number, source: string, output: string) {
  const place = scratch.path('tmp');
  mkdirSync(place, { recursive: true });
  const script =
    'mount -t tmpfs -o size="$1" tmpfs "$2" && export TMPDIR="$2" && shift 2 && exec "$@"';
  const command = [process.execPath, cli, 'build', source, '-q', '--force', '-o', output];
  const words = ['-rm', 'sh', '-c', script, 'sh', String(size), place, ...command];
  const { status, stderr } = spawnSync('unshare', words, { encoding: 'utf8' });
  expect(readdirSync(place)).toEqual([]);
  return { status, stderr };
}

function manifestOf(bundle: string) {
  return JSON.parse(run(process.execPath, cli, 'inspect', '--json', bundle)).manifest;
}

function payloadOf(bundle: string): string {
  const { sections } = JSON.parse(run(process.execPath, cli, 'inspect', '--json', bundle));
  const { offset, size } = sections.find(({ name }: { name: string }) => name === 'payload');
  return createHash('sha256')
    .update(readFileSync(bundle).subarray(offset, offset + size))
    .digest('hex');
}

describe('an image of several layers', () => {
  let payload: string;

  beforeAll(() => {
    const bundle = scratch.path('plain.run');
    const command = ['build', `oci:${scratch.path('none')}`, '-q', '-o', bundle];
    run(process.execPath, cli, ...command);
    payload = payloadOf(bundle);
  });

  test('is the tree that umoci unpacks, with equal contents stored once', () => {
    const bundle = scratch.path('plain.run');
    run(
      'umoci',
      'unpack',
      '--rootless',
      '--image',
      `${scratch.path('none')}:image`,
      scratch.path('judge'),
    );
    run(process.execPath, cli, 'unpack', '-q', bundle, scratch.path('unpacked'));
    const contents = (path: string) =>
      Object.entries(listDirectory(path))
        .filter(([name]) => name.includes('/'))
        .map(([name, { sha256, mode }]) => [name, mode, sha256]);
    expect(contents(scratch.path('unpacked'))).toEqual(
      expect.arrayContaining(contents(scratch.path('judge', 'rootfs'))),
    );
    expect(manifestOf(bundle).payload.duplicateBytes).toBe(MIB + 3 + 500);
  });

  test.each(['gzip', 'zstd'])('takes no more temporary disk than its largest layer: %s', (name) => {
    const bundle = scratch.path(`${name}.run`);
    const built = buildWithin(largest + SLACK, `oci:${scratch.path(name)}`, bundle);
    expect(built).toEqual({ status: 0, stderr: '' });
    expect(payloadOf(bundle)).toBe(payload);
  });

  test('needs the disk that its largest layer takes', () => {
    const { status, stderr } = buildWithin(
      largest - MIB,
      `oci:${scratch.path('gzip')}`,
      scratch.path('none.run'),
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^rundle: reading layer \d of 5 .*: uncompressing it to .*ENOSPC.*\n {2}TMPDIR names /,
    );
  });
});
