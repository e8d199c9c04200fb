// Seeds for the libFuzzer targets of stub/fuzz/, from payloads that mksquashfs and rundle's own writer make.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFooter } from '#rundle/bundle/footer.js';
import { encodeLaunchConfig } from '#rundle/bundle/launch-config.js';
import { SECTION_KIND } from '#rundle/bundle/section.js';
import { encodeTable } from '#rundle/bundle/table.js';
import { writePayload } from '#rundle/squashfs/writer.js';

/** Tables and data as they are: what is changed there reaches the parsers, and not zstd's decoder alone. */
const PLAIN = ['-noI', '-noId', '-noD', '-noF', '-noX'];

/** Trees as pseudo files of mksquashfs, which need no root: each shows the parsers something that the others lack. */
const PSEUDO = {
  types: [
    'directory d 755 0 0',
    'directory/inner d 1777 1000 1000',
    'directory/inner/file f 644 1 2 echo inside',
    'block b 660 0 6 8 1',
    'character c 666 0 0 1 3',
    'fifo i 644 0 0 f',
    'socket i 644 0 0 s',
    'link s 777 0 0 directory/inner',
    'empty f 600 0 0 true',
  ],
  contents: [
    'holes f 644 0 0 head -c 9000 /dev/zero; echo end',
    'only-holes f 644 0 0 head -c 12288 /dev/zero',
    'blocks f 644 0 0 seq 1 2500',
    'tail f 644 0 0 seq 1 30',
    'other-tail f 644 0 0 seq 1 20',
    'tail-again L tail',
  ],
  'many-entries': Array.from(
    { length: 300 },
    (_, i) => `a-rather-long-name-for-an-entry-${i} d 755 0 0`,
  ),
  deep: Array.from(
    { length: 40 },
    (_, i) =>
      `${Array(i + 1)
        .fill('d')
        .join('/')} d 755 0 0`,
  ),
};

const SAME_EVERYWHERE = '-comp zstd -b 4K -nopad -all-time 0 -root-uid 0 -root-gid 0'.split(' ');

/** The image of the tree at `root` and of pseudo files. */
function squashed(scratch, root, pseudo, options) {
  const image = join(scratch, 'image');
  const definitions = join(scratch, 'definitions');
  rmSync(image, { force: true });
  writeFileSync(definitions, `${pseudo.join('\n')}\n`);
  const quiet = ['-quiet', '-no-progress'];
  const argv = [root, image, ...SAME_EVERYWHERE, ...quiet, '-pf', definitions, ...options];
  execFileSync('mksquashfs', argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  return readFileSync(image);
}

const metadata = { mode: 0o644, uid: 0, gid: 0, mtime: 1 };

function memory(bytes, at = 0) {
  const data = { kind: 'memory', bytes };
  return { at, length: bytes.length, data, offset: 0 };
}

async function written(scratch, count) {
  const file = (text) => ({
    kind: 'file',
    ...metadata,
    size: text.length,
    extents: [memory(Buffer.from(text))],
  });
  const shared = file('a file with two names');
  const children = new Map([
    ['first', shared],
    ['second', shared],
    ['long', file('some text and more of it '.repeat(400))],
    [
      'hole',
      { kind: 'file', ...metadata, size: 20_000, extents: [memory(Buffer.from('end'), 19_997)] },
    ],
    ['symlink', { kind: 'symlink', ...metadata, target: 'long' }],
    ['device', { kind: 'block-device', ...metadata, major: 259, minor: 70_000 }],
    ['attributes', { ...file('x'), xattrs: new Map([['user.name', Buffer.from('value')]]) }],
  ]);
  for (let i = 0; i < count; i++) children.set(`entry ${i}`, file(`${i % 7}`));
  const root = {
    kind: 'directory',
    ...metadata,
    mode: 0o755,
    children: new Map([['inner', { kind: 'directory', ...metadata, children }]]),
  };
  const path = join(scratch, 'written');
  const output = await open(path, 'w+');
  try {
    await writePayload(root, output, 0, { blockSize: 4096, level: 3, workers: 1, buildTime: 0 });
  } finally {
    await output.close();
  }
  return readFileSync(path);
}

/** Extended attributes are the one thing that this mksquashfs takes from real files only. */
function withAttributes(scratch) {
  const root = join(scratch, 'attributes');
  mkdirSync(join(root, 'directory'), { recursive: true });
  const names = ['directory', 'one', 'two'];
  for (const name of names.slice(1)) writeFileSync(join(root, name), name);
  for (const name of names) {
    const argv = [join(root, name), '-n', 'user.name', '-v', 'value'];
    execFileSync('setfattr', argv);
  }
  execFileSync('setfattr', [join(root, 'one'), '-n', 'user.second', '-v', 'only here']);
  for (const name of names.slice(1))
    execFileSync('setfattr', [join(root, name), '-n', 'user.long', '-v', 'v'.repeat(300)]);
  return root;
}

/** Images by name. */
async function images(scratch) {
  const found = new Map();
  const empty = join(scratch, 'empty');
  mkdirSync(empty);
  const trees = Object.entries(PSEUDO).map(([name, pseudo]) => [name, empty, pseudo]);
  trees.push(['attributes', withAttributes(scratch), []]);
  for (const [name, root, pseudo] of trees) {
    found.set(name, squashed(scratch, root, pseudo, PLAIN));
    found.set(`${name}-packed`, squashed(scratch, root, pseudo, ['-always-use-fragments']));
  }
  found.set('written', await written(scratch, 0));
  found.set('written-many', await written(scratch, 300));
  return found;
}

/** Eight requests of 32 bytes, as fuse_fuzz.c takes them: opcode, node, length of the body, node id, body. */
function requests() {
  const header = Buffer.alloc(256);
  for (let i = 0; i < 8; i++) {
    const record = header.subarray(32 * i);
    record[0] = i;
    record[1] = i + 1;
    record.writeUInt16LE(i === 0 ? 5 : 40, 2);
    record.writeBigUInt64LE(BigInt(i), 8);
    record.write(i === 0 ? 'tail\0' : '', 16);
    if (i !== 0) record.writeUInt32LE(65_536, 16 + 8);
  }
  return header;
}

const NEEDS = [
  'kernel>=4.18,<9',
  'cpu=x86-64-v3,avx2|cpu=asimd',
  'memory>=16G',
  'memlock=unlimited',
  'cpus>=1',
  'gpu|arch=aarch64',
  'driver=none|driver>=470,<471|driver>=535.54.03',
];

const launchConfig = {
  architecture: 'x86_64',
  payload: 0,
  root: '/',
  id: '0'.repeat(64),
  size: 1,
  inodes: 1,
  name: 'name',
  entrypoint: ['/bin/sh', '-c'],
  cmd: ['true'],
  env: ['PATH=/bin', 'EMPTY='],
  workdir: '/tmp',
  rc: true,
  mounts: [
    '/home',
    '/a:/b:ro,nosuid',
    'tmpfs:/t:tmpfs:size=1m,x-create=dir',
    '${HOME}/x /y none x-create=auto,bind 0 0',
  ],
  target: '/var/tmp/${USER}',
  mountHome: true,
  mountCwd: false,
  require: NEEDS,
};

const manifest = JSON.stringify({
  rundle: '1',
  list: [1, -2.5e3, true, null],
  text: 'a "quoted" \\ \u00e4 \ud83d\ude00\n',
  deep: { a: { b: [[]] } },
});

function bundle(payload) {
  const sections = [
    [SECTION_KIND.header, 0, Buffer.from('#!/bin/sh\nexit 1\n')],
    [SECTION_KIND.payload, 0, payload],
    [SECTION_KIND.launchConfig, 62, encodeLaunchConfig(launchConfig)],
    [SECTION_KIND.manifest, 0, Buffer.from(manifest)],
  ];
  const parts = [];
  const entries = [];
  let size = 0;
  for (const [kind, machine, bytes] of sections) {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    entries.push({
      kind,
      machine,
      required: kind === SECTION_KIND.payload,
      index: 0,
      offset: size,
      size: bytes.length,
      sha256,
    });
    const padding = Buffer.alloc((16 - (bytes.length % 16)) % 16);
    parts.push(bytes, padding);
    size += bytes.length + padding.length;
  }
  const table = encodeTable(entries);
  const footer = encodeFooter({
    tableOffset: size,
    tableSize: table.length,
    tableSha256: createHash('sha256').update(table).digest('hex'),
    fileSize: size + table.length + 128,
  });
  return Buffer.concat([...parts, table, footer]);
}

/** Writes the seeds of every target to a directory of its name below `directory`. */
export async function makeCorpus(directory) {
  const scratch = mkdtempSync(join(tmpdir(), 'rundle-corpus-'));
  const put = (target, name, bytes) => {
    mkdirSync(join(directory, target), { recursive: true });
    writeFileSync(join(directory, target, name), bytes);
  };
  try {
    for (const [name, image] of await images(scratch)) {
      put('payload_fuzz', name, image);
      put('fuse_fuzz', name, Buffer.concat([requests(), image]));
      if (image.length < 10_000) put('bundle_fuzz', name, bundle(image));
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  put('text_fuzz', 'config', Buffer.concat([Buffer.from([0]), encodeLaunchConfig(launchConfig)]));
  for (const [i, need] of NEEDS.entries()) {
    put('text_fuzz', `require-${i}`, Buffer.concat([Buffer.from([3]), Buffer.from(need)]));
  }
  put('text_fuzz', 'json', Buffer.concat([Buffer.from([1]), Buffer.from(manifest)]));
  for (const [i, spec] of launchConfig.mounts.entries())
    put('text_fuzz', `mount-${i}`, Buffer.concat([Buffer.from([2]), Buffer.from(spec)]));
}
