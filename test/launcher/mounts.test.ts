import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  callersAndTiers,
  compileC,
  launch,
  makeTree,
  makeWorkbench,
  pack,
  piecesSources,
  type Workbench,
} from './support/workbench.js';

let bench: Workbench;
let pieces: string;
let without: string;
let bundle: string;

beforeAll(() => {
  bench = makeWorkbench();
  pieces = compileC(join(bench.directory, 'pieces'), piecesSources);
  without = compileC(join(bench.directory, 'without'), ['support/without.c']);
  const tree = join(bench.directory, 'tree');
  mkdirSync(tree);
  makeTree(tree);
  mkdirSync(join(tree, 'opt/empty'), { recursive: true });
  mkdirSync(join(tree, 'volume'));
  writeFileSync(join(tree, 'opt/file'), 'of the image\n');
  symlinkSync('/../../../outside', join(tree, 'opt/escape'));
  bundle = pack(bench, tree, ['cmd=/bin/sh']);
});
afterAll(() => bench?.remove());

describe('how a mount is written', () => {
  const environment = { HOME: '/home/x', DATA: '/data:1' };
  const parse = (spec: string) => {
    const { stdout, status } = spawnSync(pieces, ['mount', spec], {
      env: environment,
      encoding: 'latin1',
      cwd: bench.directory,
    });
    const fields = stdout.split('\n').map((line) => line.match(/^(\w+) ?(.*)$/)?.slice(1, 3) ?? []);
    return { status, ...Object.fromEntries(fields.filter((field) => field.length === 2)) };
  };
  const bind = { status: 0, action: 'bind', create: 'auto', type: '', data: '' };
  const READONLY = 1;
  const NOSUID_NODEV = 6;

  test.each([
    ['/a', { ...bind, source: '/a', target: '/a', flags: 'recursive' }],
    ['/a:/b', { ...bind, source: '/a', target: '/b', flags: 'recursive' }],
    ['/a:/b:ro', { ...bind, target: '/b', set: `${READONLY}`, flags: 'recursive' }],
    ['/a:/b:rw', { ...bind, set: '0', clear: `${READONLY}` }],
    ['/a:/b:bind,nosuid,nodev', { ...bind, set: `${NOSUID_NODEV}`, flags: '' }],
    ['/a:/b:nofail,silent', { ...bind, flags: 'recursive nofail silent' }],
    ['/my dir:/the data', { ...bind, source: '/my dir', target: '/the data' }],
    ['/a\\:b:/c', { ...bind, source: '/a:b', target: '/c' }],
    [
      '/a:/b:none:x-create=file,bind,ro',
      { ...bind, create: 'file', set: `${READONLY}`, flags: '' },
    ],
    ['/a:/b:none:x-create=dir,rbind:0:-1', { ...bind, create: 'directory', flags: 'recursive' }],
    ['tmpfs:/scratch', { action: 'new', type: 'tmpfs', create: 'directory', data: '' }],
    ['tmpfs:/scratch:size=10M', { action: 'new', type: 'tmpfs', data: 'size=10M' }],
    ['tmpfs:/s:tmpfs:size=1M,mode=700,ro', { type: 'tmpfs', data: 'size=1M,mode=700', set: '1' }],
    ['tmpfs /s tmpfs nosuid,nodev', { action: 'new', type: 'tmpfs', set: `${NOSUID_NODEV}` }],
    ['/proc /proc rbind', { ...bind, source: '/proc', flags: 'recursive' }],
    ['/a\\040b\t/c  none bind 0 0', { ...bind, source: '/a b', target: '/c', flags: '' }],
    ['${HOME}/x:/h', { ...bind, source: '/home/x/x', target: '/h' }],
    ['${DATA}:/h', { ...bind, source: '/data:1', target: '/h' }],
    ['${ENROOT_ROOTFS}/v /v none bind,rw', { source: '/v', target: '/v', flags: 'inside' }],
    ['/a:/b:none:x-move', { action: 'move' }],
    ['none /b none x-detach', { action: 'detach', target: '/b' }],
    ['/a:/b:rslave', { ...bind, propagation: (0x80000 | 0x4000).toString(16) }],
  ])('%j', (spec, expected) => {
    expect(parse(spec)).toMatchObject(expected);
  });

  test('a relative source starts at the current directory', () => {
    expect(parse('./data:/d')).toMatchObject({ source: `${bench.directory}/./data` });
  });

  test.each([
    ['', 'source is empty'],
    ['/a:b', '`b` is not an absolute path'],
    ['/a:/b:bogus', '`bogus`'],
    ['/a:/b:x-create=link', 'x-create=link'],
    ['/a:/b:c:d:e:f:g:h', 'too many fields'],
    [`/${'x'.repeat(5000)}:/b`, 'too long'],
    ['${UNSET}:/b', 'source is empty'],
  ])('%j is refused', (spec, reason) => {
    const parsed = parse(spec) as { status: number; fault?: string };
    expect(parsed.status).toBe(1);
    expect(parsed.fault).toContain(reason);
  });
});

describe.each(['open', 'walk'])('paths inside a root, by %s', (how) => {
  let root: string;
  let outside: string;
  beforeAll(() => {
    outside = mkdtempSync(join(bench.directory, 'outside-'));
    root = mkdtempSync(join(bench.directory, 'root-'));
    writeFileSync(join(outside, 'secret'), '');
    mkdirSync(join(root, 'a/b'), { recursive: true });
    writeFileSync(join(root, 'a/file'), '');
    symlinkSync(outside, join(root, 'absolute'));
    symlinkSync('../../../../../../../../../etc', join(root, 'a/climb'));
    symlinkSync('/a/b', join(root, 'inside'));
    symlinkSync('../b/../file', join(root, 'a/b/winding'));
    symlinkSync('loop2', join(root, 'loop1'));
    symlinkSync('loop1', join(root, 'loop2'));
    symlinkSync('/new/place', join(root, 'dangling'));
  });
  const resolve = (path: string, create?: string) => {
    const { stdout } = spawnSync(pieces, [how, root, path, ...(create ? [create] : [])], {
      encoding: 'latin1',
    });
    return stdout.trim().replace(realpathSync(root), 'ROOT');
  };

  test.each([
    ['/', 'ROOT'],

    ['/a/b', 'ROOT/a/b'],
    ['a//b/./', 'ROOT/a/b'],
    ['/..', 'ROOT'],
    ['/../../a/../a/b', 'ROOT/a/b'],
    ['/inside', 'ROOT/a/b'],
    ['/a/b/winding', 'ROOT/a/file'],
    ['/a/b/../../..', 'ROOT'],
    ['/absolute', 'No such file or directory'],
    ['/absolute/secret', 'No such file or directory'],
    ['/a/climb', 'No such file or directory'],
    ['/a/file/x', 'Not a directory'],
    ['/missing', 'No such file or directory'],
  ])('%j', (path, expected) => {
    expect(resolve(path)).toBe(expected);
  });

  test('a loop of links ends', () => {
    expect(resolve('/loop1')).toMatch(/link/i);
  });

  test('what is created stays inside, behind links too', () => {
    expect(resolve('/x/y/z', 'directory')).toBe('ROOT/x/y/z');
    expect(resolve('/x/y/f', 'file')).toBe('ROOT/x/y/f');
    expect(resolve('/dangling/f', 'file')).toBe('ROOT/new/place/f');
    expect(resolve('/a/climb/passwd', 'file')).toBe('ROOT/etc/passwd');
    expect(resolve(`/absolute/sub`, 'directory')).toBe(`ROOT${realpathSync(outside)}/sub`);
    expect(readdirSync(outside)).toEqual(['secret']);
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toBe('');
  });
});

describe.each(callersAndTiers)(
  'mounts of a container, as $caller, tier $tier',
  ({ uid, prefix, tier }) => {
    const start = (words: string[], script: string, environment: Record<string, string> = {}) =>
      launch(
        [
          ...prefix,
          bench.launcher,
          'installed',
          '0',
          bundle,
          '--mode',
          tier,
          ...words,
          'sh',
          '-c',
          script,
        ],
        { TMPDIR: bench.scratch, ...environment },
        { cwd: bench.directory },
      ).ended;
    const mounts = (...specs: string[]) => specs.flatMap((spec) => ['-m', spec]);
    let data: string;
    beforeAll(() => {
      data = mkdtempSync(join(bench.directory, 'data-'));
      chmodSync(data, 0o755);
      mkdirSync(join(data, 'sub'));
      writeFileSync(join(data, 'file'), 'of the host\n');
      for (const path of [data, join(data, 'sub'), join(data, 'file')]) chownSync(path, uid, uid);
    });

    test('a directory, a file, a relative source, a new directory for the target', async () => {
      const given = mounts(
        `${data}:/mnt/new/place`,
        `${data}/file:/opt/file`,
        `${data.slice(bench.directory.length + 1)}:/relative`,
      );
      const ended = await start(
        given,
        'cat /mnt/new/place/file /opt/file /relative/file; echo x > /mnt/new/place/out',
      );
      expect(ended).toMatchObject({ status: 0, stdout: 'of the host\n'.repeat(3), stderr: '' });
      expect(readFileSync(join(data, 'out'), 'utf8')).toBe('x\n');
    });

    test('options reach the mount', async () => {
      const given = mounts(`${data}:/opt/empty:ro,noexec`, 'tmpfs:/t:mode=700,size=1M');
      const ended = await start(
        given,
        'touch /opt/empty/y; grep -E " /(opt/empty|t) " /proc/self/mounts; ls -ld /t',
      );
      expect(ended.stderr).toContain('Read-only');
      expect(ended.stdout).toMatch(/ \/opt\/empty \S+ ro,\S*noexec/);
      expect(ended.stdout).toMatch(/tmpfs \/t tmpfs \S*size=1024k,mode=700/);
      expect(ended.stdout).toMatch(/drwx------ .* \/t/);
    });

    test.each([
      ['by mount_setattr', []],
      ['without mount_setattr and openat2', ['mount_setattr=38', 'openat2=38', 'close_range=38']],
    ])('ro covers the mounts below, %s', async (_name, denied) => {
      execFileSync('mount', [
        '-t',
        'tmpfs',
        '-o',
        'mode=777,nosuid,noexec',
        'tmpfs',
        join(data, 'sub'),
      ]);
      try {
        const wrapped = denied.length > 0 ? [without, ...denied, '--'] : [];
        const ended = await launch(
          [
            ...[...prefix, ...wrapped, bench.launcher, 'installed', '0', bundle, '--mode', tier],
            ...mounts(`${data}:/opt/empty:ro`),
            ...[
              'sh',
              '-c',
              'touch /opt/empty/1 /opt/empty/sub/2 /opt/3; grep empty /proc/self/mounts',
            ],
          ],
          { TMPDIR: bench.scratch },
        ).ended;
        expect(ended.stderr.match(/Read-only/g)).toHaveLength(3);
        expect(ended.stdout).toMatch(/\/opt\/empty\/sub tmpfs ro,nosuid,noexec/);
        expect(readdirSync(join(data, 'sub'))).toEqual([]);
      } finally {
        execFileSync('umount', [join(data, 'sub')]);
      }
    });

    test('a volume of the image is writable in a read-only root', async () => {
      const given = mounts(
        '${ENROOT_ROOTFS}/volume /volume none x-create=dir,bind,rw,nosuid,nodev',
      );
      expect((await start(given, 'echo ok > /volume/x && cat /volume/x; touch /x')).stdout).toBe(
        'ok\n',
      );
    });

    test('a link in the image does not lead out', async () => {
      const ended = await start(mounts(`${data}:/opt/escape/here`), 'cat /outside/here/file');
      expect(ended).toMatchObject({ status: 0, stdout: 'of the host\n' });
      expect(existsSync('/outside')).toBe(false);
    });

    test('a missing source is named, unless nofail', async () => {
      const refused = await start(mounts('/no/such/place:/opt'), 'true');
      expect(refused.status).toBe(125);
      expect(refused.stderr).toMatch(/\/no\/such\/place.*No such file.*\n.*nofail/);
      const told = await start(mounts('/no/such/place:/opt:nofail'), 'echo on');
      expect(told).toMatchObject({ status: 0, stdout: 'on\n' });
      expect(told.stderr).toContain('/no/such/place');
      const silent = await start(mounts('/no/such/place:/opt:nofail,silent'), 'true');
      expect(silent).toMatchObject({ status: 0, stderr: '' });
    });

    test('a file on a directory is refused with that reason', async () => {
      const ended = await start(mounts(`${data}/file:/opt/empty`), 'true');
      expect(ended.status).toBe(125);
      expect(ended.stderr).toContain('a file cannot be mounted on a directory');
    });

    test('home and current directory on request, and only then', async () => {
      const script = `cat ${data}/file; cat ${bench.directory}/data-mark; pwd`;
      writeFileSync(join(bench.directory, 'data-mark'), 'here\n');
      const plain = await start([], script, { HOME: data });
      expect(plain.stdout).toBe('/\n');
      const home = await start(['--mount-home'], script, { HOME: data });
      expect(home.stdout).toBe('of the host\n/\n');
      const cwd = await start(['--mount-cwd'], script, { HOME: data });
      expect(cwd.stdout).toContain(`here\n${bench.directory}\n`);
    });

    test('with --root home is where HOME says', async () => {
      const ended = await start(['--root', '--mount-home'], 'cat $HOME/file; echo $HOME', {
        HOME: data,
      });
      expect(ended.stdout).toBe('of the host\n/root\n');
    });

    test('directories that a PMIx server or a scheduler names', async () => {
      const session = mkdtempSync('/tmp/rundle-session-');
      chmodSync(session, 0o755);
      try {
        writeFileSync(join(session, 'rendezvous'), 'found\n');
        const script = `cat ${session}/rendezvous`;
        for (const environment of [
          { PMIX_SERVER_TMPDIR: session },
          { PMIX_SERVER_URI2: `pmix-server:77:${session}/rendezvous` },
          { FLUX_URI: `local://${session}/rendezvous` },
        ]) {
          expect((await start([], script, environment)).stdout).toBe('found\n');
        }
        expect((await start([], script)).stdout).toBe('');
        expect((await start([], `${script}; ls /tmp`, { PMIX_SERVER_TMPDIR: '/tmp' })).stdout).toBe(
          '',
        );
      } finally {
        rmSync(session, { recursive: true });
      }
    });
  },
);
