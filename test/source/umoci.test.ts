import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeScratch, run, type Scratch, shell } from './support/scratch.js';
import { listDirectory, listTree } from './support/tree-listing.js';

/**
 * Images made by umoci, skopeo and buildah, and the merged tree compared, entry by entry, with what `umoci unpack` as root writes.
 */
let scratch: Scratch;

const FIRST_LAYER = `
mkdir -p etc bin usr/bin usr/lib dev opt/gone opt/kept home/many var/deep/er
ln -s usr/lib lib
printf one > etc/one; printf two > etc/two; printf 'three' > opt/gone/three
: > etc/empty
printf linked > usr/bin/a; ln usr/bin/a usr/bin/b; ln usr/bin/a bin/c
ln -s /etc/one etc/absolute; ln -s ../../.. etc/outside; ln etc/absolute etc/same-link
mknod dev/null c 1 3; mknod dev/disk b 259 70000; mkfifo var/pipe
printf suid > usr/bin/su; chmod 4755 usr/bin/su; chmod 1777 var/deep; chmod 0 etc/two
chown 1000:100 etc/one; chown 4294967294:70000 var/pipe; chown -h 7:8 lib
setfattr -n user.note -v 'a value' etc/one; setfattr -n user.empty etc/one
setfattr -n user.binary -v 0x00ff3d0a00 opt/kept; setfattr -n trusted.t -v 1 opt/kept
setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 usr/bin/su
name=$(printf '\\377\\376 not utf-8 \\303'); printf bytes > "etc/$name"; ln -s "$name" "etc/to bytes"
long=$(printf '%0120d' 7); mkdir -p "var/$long/$long"; printf long > "var/$long/$long/$long"
ln -s "$long/$long/$long" var/long-link
printf begin > var/sparse; truncate -s 3M var/sparse; printf middle | dd of=var/sparse bs=1 seek=2000000 conv=notrunc 2>/dev/null
for i in $(seq 300); do printf "$i" > home/many/$i; done
touch -d '2001-02-03 04:05:06.789' etc/one; touch -d '1969-12-31 23:59:58.5 UTC' etc/two
touch -h -d '2010-01-01 UTC' lib; touch -d '2020-01-01 UTC' var/deep/er opt
`;
const SECOND_LAYER = `
rm etc/one opt/gone/three; rmdir opt/gone
rm usr/bin/b; printf changed > usr/bin/b
rm -r var/deep; printf 'file now' > var/deep
rm etc/two; mkdir etc/two; printf inside > etc/two/inside
rm lib; mkdir lib; printf real > lib/real
rm etc/absolute; ln -s elsewhere etc/absolute
chmod 700 opt/kept; setfattr -x user.binary opt/kept; setfattr -n user.new -v n opt/kept
for i in $(seq 1 2 300); do rm home/many/$i; done
`;
const THIRD_LAYER = `
rm -r home/many; mkdir home/many; printf again > home/many/300
printf back > etc/one; rm var/deep; mkdir -p var/deep/er; mknod var/deep/node c 5 1
rm dev/null; ln usr/bin/su dev/null
`;

beforeAll(() => {
  scratch = makeScratch();
  const image = `${scratch.path('layout')}:layered`;
  run('umoci', 'init', '--layout', scratch.path('layout'));
  run('umoci', 'new', '--image', image);
  for (const [index, change] of [FIRST_LAYER, SECOND_LAYER, THIRD_LAYER].entries()) {
    const bundle = scratch.path(`bundle-${index}`);
    run('umoci', 'unpack', '--image', image, bundle);
    shell(`${bundle}/rootfs`, change);
    run('umoci', 'repack', '--image', image, bundle);
  }
  run('umoci', 'config', '--image', image, '--config.cmd', 'a', '--config.cmd', 'b c');
  run('umoci', 'unpack', '--image', image, scratch.path('judge'));
});
afterAll(() => scratch.remove());

test('three umoci layers give the tree that umoci unpacks', async () => {
  const source = await scratch.load(`oci:${scratch.path('layout')}:layered`);
  expect(await listTree(source.root)).toEqual(listDirectory(scratch.path('judge', 'rootfs')));
  expect(source.config.cmd).toEqual(['a', 'b c']);
  expect(source.provenance.diffIds).toHaveLength(3);
  expect(source.provenance.reference).toBe('layered');
  expect(source.omissions).toEqual([]);
});

test('the judge sees what the layers were made for', () => {
  const judged = listDirectory(scratch.path('judge', 'rootfs'));
  expect(Object.keys(judged).length).toBeGreaterThan(20);
  expect(judged['etc/\xff\xfe not utf-8 \xc3']).toMatchObject({ kind: 'file', size: 5 });
  expect(judged['dev/null']).toMatchObject({ link: 'dev/null', mode: 0o4755 });
  expect(judged['usr/bin/su']).toMatchObject({ link: 'dev/null' });
  expect(judged['usr/bin/su']?.xattrs).toHaveProperty('security.capability');
  expect(judged['dev/disk']).toMatchObject({ kind: 'block-device', device: [259, 70000] });
  expect(judged['opt/kept']?.xattrs).toEqual({ 'trusted.t': '31', 'user.new': '6e' });
  expect(judged['opt/gone']).toBeUndefined();
});

test.each([
  ['oci-archive', 'oci-archive:image.oci.tar:layered', []],
  ['docker-archive', 'docker-archive:image.docker.tar:example.org/layered:v1', []],
  ['zstd layers', 'oci:zstd:layered', ['--dest-compress-format', 'zstd', '--dest-compress']],
])('skopeo copies the image to %s and the tree stays the same', async (_, to, options) => {
  const [transport, file, ...reference] = to.split(':');
  const specification = [transport, scratch.path(file ?? ''), ...reference].join(':');
  const from = `oci:${scratch.path('layout')}:layered`;
  run('skopeo', '--insecure-policy', 'copy', '-q', ...options, from, specification);
  const source = await scratch.load(specification);
  expect(await listTree(source.root)).toEqual(listDirectory(scratch.path('judge', 'rootfs')));
  expect(source.provenance.transport).toBe(transport);
  if (options.length > 0) {
    const manifest = run('skopeo', 'inspect', '--raw', specification);
    expect(manifest.match(/layer\.v1\.tar\+zstd/g)).toHaveLength(3);
  }
});

test('a compressed archive is uncompressed first, and needs no reference', async () => {
  run(
    'skopeo',
    '--insecure-policy',
    'copy',
    '-q',
    `oci:${scratch.path('layout')}:layered`,
    `docker-archive:${scratch.path('plain.tar')}`,
  );
  run('gzip', '-k', scratch.path('plain.tar'));
  run('zstd', '-q', scratch.path('plain.tar'));
  const expected = await listTree(
    (await scratch.load(`docker-archive:${scratch.path('plain.tar')}`)).root,
  );
  for (const name of ['plain.tar.gz', 'plain.tar.zst']) {
    const steps: string[] = [];
    const source = await scratch.load(`docker-archive:${scratch.path(name)}`, {
      onProgress: ({ phase, done, total }) => done === total && steps.push(phase),
    });
    expect(await listTree(source.root)).toEqual(expected);
    expect(steps).toContain('verify');
    expect(steps.filter((phase) => phase === 'layer').length).toBeGreaterThanOrEqual(3);
  }
});

test('a buildah image gives the tree that umoci unpacks', async () => {
  const options = [
    '--storage-driver',
    'vfs',
    '--root',
    scratch.path('store'),
    '--runroot',
    scratch.path('store-run'),
  ];
  const buildah = (...args: string[]) => run('buildah', ...options, ...args).trim();
  shell(
    scratch.path(),
    'mkdir context; cd context; mkdir sub; printf x > sub/x; ln sub/x sub/y; printf z > z; chmod 2750 sub',
  );
  const container = buildah('from', 'scratch');
  buildah('copy', container, scratch.path('context'), '/data');
  buildah(
    'config',
    '--entrypoint',
    '["/data/run","a b"]',
    '--env',
    'K=V w',
    '--workingdir',
    '/data',
    '--label',
    'l=1',
    '--user',
    '5:6',
    '--port',
    '80/tcp',
    '--volume',
    '/vol',
    '--stop-signal',
    'SIGQUIT',
    container,
  );
  buildah('commit', '-q', container, 'first');
  const second = buildah('from', '--pull=never', 'localhost/first');
  const mounted = buildah('mount', second);
  shell(mounted, 'rm data/z; rm -r data/sub; printf other > data/sub');
  buildah('unmount', second);
  buildah('commit', '-q', second, `oci:${scratch.path('built')}:built`);
  run('umoci', 'unpack', '--image', `${scratch.path('built')}:built`, scratch.path('built-judge'));
  const source = await scratch.load(`oci:${scratch.path('built')}`);
  const [ours, judged] = [
    await listTree(source.root),
    listDirectory(scratch.path('built-judge', 'rootfs')),
  ];
  // No layer lists the root: umoci leaves the time of the unpacking on it.
  delete ours[''];
  delete judged[''];
  expect(ours).toEqual(judged);
  expect(ours['data/sub']?.kind).toBe('file');
  expect(source.provenance.diffIds).toHaveLength(2);
  expect(source.config).toMatchObject({
    entrypoint: ['/data/run', 'a b'],
    workingDir: '/data',
    user: '5:6',
    labels: { l: '1' },
    volumes: ['/vol'],
    exposedPorts: ['80/tcp'],
    stopSignal: 'SIGQUIT',
  });
  expect(source.config.env).toContain('K=V w');
  buildah('rm', '--all');
  buildah('rmi', '--all', '--force');
});
