import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hostPlatform } from '#rundle/oci/platform.js';
import { compress } from '../fixtures/image-builder.js';
import { tarArchive } from '../layer/tar-builder.js';
import { faultOf, makeScratch, run, type Scratch, shell } from './support/scratch.js';
import { type Listing, listDirectory, listTree } from './support/tree-listing.js';

let scratch: Scratch;
beforeAll(() => {
  scratch = makeScratch();
});
afterAll(() => scratch.remove());

/** Node has no call for extended attributes, so `dir:` leaves them out. */
function withoutXattrs(listing: Listing): Listing {
  return Object.fromEntries(
    Object.entries(listing).map(([path, entry]) => [path, { ...entry, xattrs: {} }]),
  );
}

test('a directory is taken as it is', async () => {
  const root = scratch.path('root');
  run('mkdir', root);
  shell(
    root,
    `
mkdir -p a/b empty; printf x > a/f; ln a/f a/b/g; ln a/f h; : > zero; chmod 4711 a/f; chmod 1777 empty; chmod 0 zero
ln -s /etc/passwd out; ln -s nowhere dangling; ln dangling again; mkfifo p; mknod c c 1 3; mknod b b 4095 1048575
printf y > "$(printf '\\377\\n name')"; chown 123:456 a; chown -h 7:8 out; printf x > .wh.x
touch -d '1969-12-31 23:59:58.5 UTC' zero; touch -d '2040-01-01 UTC' a/b; setfattr -n user.x -v y h`,
  );
  const server = createServer().listen(`${root}/socket`);
  await new Promise((resolve) => server.once('listening', resolve));
  const { root: tree, config, provenance, omissions } = await scratch.load(`dir:${root}`);
  expect(withoutXattrs(await listTree(tree))).toEqual(withoutXattrs(listDirectory(root)));
  expect((await listTree(tree)).socket?.kind).toBe('socket');
  expect((await listTree(tree)).zero?.mtime).toBe(-2);
  expect({ config: config.architecture, provenance, omissions }).toEqual({
    config: hostPlatform().architecture,
    provenance: { transport: 'dir', diffIds: [] },
    omissions: [],
  });
  run('ln', '-s', root, scratch.path('by-link'));
  expect(await listTree((await scratch.load(`dir:${scratch.path('by-link')}`)).root)).toEqual(
    await listTree(tree),
  );
  server.close();
});

test('what is mounted in a directory stays out and is listed', async () => {
  const root = scratch.path('mounts');
  shell(scratch.path(), 'mkdir -p mounts/proc mounts/data');
  run('mount', '-t', 'proc', 'proc', `${root}/proc`);
  try {
    const { root: tree, omissions } = await scratch.load(`dir:${root}`);
    expect(Object.keys(await listTree(tree))).toEqual(['', 'data', 'proc']);
    expect(omissions).toEqual([{ path: 'proc', what: expect.stringContaining('file system') }]);
  } finally {
    run('umount', `${root}/proc`);
  }
});

test('what cannot be read is an error that names it', async () => {
  expect(await faultOf(scratch.load(`dir:${scratch.path('none')}`))).toMatch(/^E_SOURCE .*ENOENT/);
  writeFileSync(scratch.path('file'), '');
  expect(await faultOf(scratch.load(`dir:${scratch.path('file')}`))).toMatch(
    /^E_SOURCE .*(ENOTDIR|not a directory)/,
  );
  expect(await faultOf(scratch.load(`tar:${scratch.path()}`))).toMatch(
    /^E_SOURCE .*not a regular file/,
  );
  const cases: [string, string][] = [
    ['oci', 'chmod 700 x; printf x > x/oci-layout; chmod 0 x/oci-layout'],
    ['dir', 'printf x > x/f; chmod 0 x/f'],
    ['dir', 'mkdir x/d; chmod 0 x/d'],
  ];
  for (const [transport, script] of cases) {
    shell(scratch.path(), `rm -rf x; mkdir x; ${script}; chown 12345:12345 . x`);
    const program = `
      import { loadSource } from ${JSON.stringify(new URL('../../dist/source/open.js', import.meta.url).href)};
      await loadSource(process.argv[1], { spoolDirectory: '/' }).catch((e) => console.log(e.code, e.message));`;
    const user = ['--reuid', '12345', '--regid', '12345', '--clear-groups'];
    const said = run(
      'setpriv',
      ...user,
      process.execPath,
      '--input-type=module',
      '-e',
      program,
      `${transport}:${scratch.path('x')}`,
    );
    expect(said).toMatch(
      /^E_SOURCE reading .*\/x\/(oci-layout|f|d)\b.*EACCES: permission denied$/m,
    );
  }
});

test.each(['none', 'gzip', 'zstd'] as const)('tar: with compression %s', async (compression) => {
  shell(
    scratch.path(),
    'mkdir -p t/d; printf abc > t/d/f; ln -f t/d/f t/g; ln -sf g t/l; tar -C t -cf t.tar .',
  );
  const path = scratch.path(`t-${compression}.tar`);
  const tar = Buffer.from(run('base64', '-w0', scratch.path('t.tar')), 'base64');
  writeFileSync(path, compress(tar, compression));
  const { root, provenance } = await scratch.load(`tar:${path}`);
  expect(await listTree(root)).toEqual(listDirectory(scratch.path('t')));
  expect(provenance.diffIds).toEqual([
    `sha256:${run('sha256sum', scratch.path('t.tar')).slice(0, 64)}`,
  ]);
});

test('what a tree cannot hold is listed', async () => {
  const acl: [string, string][] = [['SCHILY.acl.access', 'user::rw-']];
  writeFileSync(scratch.path('acl.tar'), tarArchive([{ name: './d/f', pax: acl }]));
  const { omissions } = await scratch.load(`tar:${scratch.path('acl.tar')}`);
  expect(omissions).toEqual([{ path: 'd/f', what: 'POSIX ACL' }]);
});
