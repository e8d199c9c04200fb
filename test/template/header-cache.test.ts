import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { launcherDigest } from '#rundle/bundle/header.js';
import { Place, SHELLS } from './support.js';

const place = new Place();
afterAll(() => place.remove());

const bundle = await place.bundle(join(place.directory, 'x.run'));
const runtime = join(place.directory, 'run "time"\n* \\ [a] $(id)');
const cache = join(runtime, '.rundle-cache-1');
const cached = join(cache, `launcher-${launcherDigest(readFileSync(place.witness))}`);
const env = { PATH: '/usr/bin:/bin', TMPDIR: place.scratch, XDG_RUNTIME_DIR: runtime };
const user = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];

function putLauncher(file = cached): void {
  copyFileSync(place.witness, file);
  chmodSync(file, 0o500);
}

beforeEach(() => {
  rmSync(runtime, { recursive: true, force: true });
  mkdirSync(runtime, { mode: 0o700 });
  mkdirSync(cache, { mode: 0o700 });
  putLauncher();
});

/** yash has no way to go on after an exec that failed, so it uses no cache. */
const shells = SHELLS.map((shell) => [shell.join(' '), shell] as const);
const caching = shells.filter(([label]) => label !== 'yash');

/** The verb that reached the launcher, after a start that went well. */
function verb(command: readonly string[], settings: Record<string, string> = {}) {
  const ended = place.run(command, { env: { ...env, ...settings } });
  expect([ended.stderr, ended.status]).toEqual(['', 42]);
  expect(place.leftovers()).toEqual([]);
  const [launcher, verb] = ended.report?.arg ?? [];
  if (verb === 'cached') expect(launcher).toBe(cached);
  return verb;
}

test.each(shells)('what decides, in %s', (label, shell) => {
  expect(verb([...shell, bundle])).toBe(label === 'yash' ? 'temporary' : 'cached');
});

describe.each(caching)('%s', (label, shell) => {
  test('starts no process but the launcher, in the very process that the caller started', () => {
    const trace = join(place.directory, 'trace');
    const strace = ['strace', '-f', '-e', 'trace=process', '-o', trace];
    const ended = place.run([...strace, ...shell, bundle, 'a'], { env });
    expect([ended.stderr, ended.status]).toEqual(['', 42]);
    const calls = readFileSync(trace, 'latin1').split('\n');
    const started = calls.filter((call) => /\b(execve|execveat|clone3?|v?fork)\(/.test(call));
    expect(started).toHaveLength(2);
    expect(started[0]).toContain(` execve("/usr/bin/${shell[0]}"`);
    expect(started[1]).toContain('"cached"');
    expect(new Set(calls.filter(Boolean).map((call) => call.split(' ')[0])).size).toBe(1);
  });

  test('arguments, environment, umask, signals and descriptors arrive', () => {
    const fd = openSync('/dev/null', 'r');
    const args = ['', 'a b', "'", '"$HOME"\n', '$(touch x)', '-x', '--', '*', 'A=b'];
    const given = { ...env, IFS: '/r0123456789', WORD: "a 'b'\n$(id)`id`\\" };
    try {
      for (const flags of [[], ['-a'], ['-aefuC']]) {
        const command = (...program: string[]) =>
          place.run(['dash', '-c', 'umask 027; trap "" HUP USR1; exec "$@"', 'dash', ...program], {
            env: given,
            input: 'for the program',
            stdio: { stdio: ['pipe', 'pipe', 'pipe', fd, 'ignore', 'ignore', 'ignore', fd] },
          });
        const direct = command(place.witness).report;
        const ended = command(...shell, ...flags, bundle, ...args);
        expect([ended.stderr, ended.status]).toEqual(['', 42]);
        const started = ended.report;
        expect(started?.arg.slice(0, 2)).toEqual([cached, 'cached']);
        expect(started?.arg.slice(3)).toEqual([bundle, ...args]);
        for (const key of ['umask', 'signals', 'fd', 'cwd'] as const)
          expect(started?.[key]).toEqual(direct?.[key]);
        expect(started?.stdin).toBe('for the program');
        // With -a, bash shows variables of its own.
        const added = (started?.env ?? []).filter((entry) => !direct?.env.includes(entry));
        const allowed =
          flags.length === 0 ? /^(PWD|OLDPWD|SHLVL|_|PATH|IFS)=/ : /^[A-Z_][A-Z0-9_]*=/;
        expect(added.filter((entry) => !allowed.test(entry))).toEqual([]);
        for (const key of ['WORD', 'TMPDIR', 'XDG_RUNTIME_DIR'] as const)
          expect(started?.env).toContain(`${key}=${given[key]}`);
        expect(started?.env.join()).not.toMatch(/rundle_|RUNDLE_/);
      }
    } finally {
      closeSync(fd);
    }
  });

  test('closed standard streams', () => {
    for (const closing of ['>&-', '<&-', '2>&-', '<&- >&- 2>&-']) {
      const script = `exec "$@" ${closing}`;
      const ended = place.run(['dash', '-c', script, 'dash', ...shell, bundle, 'a'], { env });
      expect([closing, ended.status, ended.stderr]).toEqual([closing, 42, '']);
      expect([ended.report?.arg[1], ended.report?.arg.at(-1)]).toEqual(['cached', 'a']);
    }
  });

  test.each([
    ['nothing there', () => rmSync(cached)],
    ['no cache', () => rmSync(cache, { recursive: true })],
    ['an empty file', () => writeFileSync(cached, '')],
    ['a file that is not executable', () => chmodSync(cached, 0o600)],
    ['another user’s file', () => chownSync(cached, 12345, 12345)],
    ['another user’s cache', () => chownSync(cache, 12345, 12345)],
    ['another user’s run-time directory, as after sudo', () => chownSync(runtime, 12345, 12345)],
    [
      'a directory in the file’s place',
      () => {
        rmSync(cached);
        mkdirSync(cached);
      },
    ],
    [
      'a link in the file’s place',
      () => {
        putLauncher(join(runtime, 'launcher'));
        rmSync(cached);
        symlinkSync('../launcher', cached);
      },
    ],
    [
      'a link in the cache’s place',
      () => {
        mkdirSync(join(runtime, 'elsewhere'), { mode: 0o700 });
        linkSync(cached, join(runtime, 'elsewhere', cached.slice(cache.length + 1)));
        rmSync(cache, { recursive: true });
        symlinkSync('elsewhere', cache);
      },
    ],
    [
      'the launcher of another version',
      () => {
        putLauncher(join(cache, `launcher-${'0'.repeat(64)}`));
        rmSync(cached);
      },
    ],
  ])('not with %s', (_, spoil) => {
    spoil();
    expect(verb([...shell, bundle])).toBe('temporary');
  });

  test('another cache of the same user, past those of others with strange names', () => {
    for (const name of [
      '.rundle-cache-',
      '.rundle-cache-0 a\n*',
      '.rundle-cache-$(id)',
      '.rundle-cache-\\*',
    ]) {
      mkdirSync(join(runtime, name));
      putLauncher(join(runtime, name, cached.slice(cache.length + 1)));
      chownSync(join(runtime, name), 12345, 12345);
    }
    writeFileSync(join(runtime, '.rundle-cache-0'), '');
    symlinkSync('/nonexistent', join(runtime, '.rundle-cache-00'));
    expect(verb([...shell, bundle])).toBe('cached');
  });

  test.each([
    ['RUNDLE_LAUNCHER_CACHE=no', { RUNDLE_LAUNCHER_CACHE: 'no' }],
    ['a relative run-time directory', { XDG_RUNTIME_DIR: '.' }],
    ['another run-time directory', { XDG_RUNTIME_DIR: '/nonexistent' }],
  ])('not with %s', (_, settings) => {
    expect(verb([...shell, bundle], settings)).toBe('temporary');
  });

  test('what exec refuses after all does not end the start', () => {
    rmSync(cached);
    writeFileSync(cached, '#!/nonexistent\n', { mode: 0o500 });
    for (const flags of [[], ['-aefuC']]) {
      const script = 'umask 027; trap "" HUP USR1; exec "$@"';
      const command = [...shell, ...flags, bundle, 'a b', '$(id)'];
      const ended = place.run(['dash', '-c', script, 'dash', ...command], { env });
      expect([ended.status, ended.report?.arg[1]]).toEqual([42, 'temporary']);
      expect(ended.report?.arg.slice(3)).toEqual([bundle, 'a b', '$(id)']);
      expect(ended.stderr).toContain(cached);
      expect(ended.stderr).not.toContain('rundle: ');
      expect(ended.report?.umask).toBe('27');
      expect(place.leftovers()).toEqual([]);
    }
  });

  test('/dev/shm, unless others could rename what is there, or nothing may be executed', () => {
    const run = (options: string, then = ':', prefix: readonly string[] = user) => {
      const owner = prefix === user ? '12345:12345' : '0:0';
      const script = [
        'mount -t tmpfs -o "$1" tmpfs /dev/shm',
        'cp -a "$2" /dev/shm; chown -R "$3" /dev/shm/.rundle-cache-*',
        then,
        'shift 3; exec "$@"',
      ].join('\n');
      const start = [...prefix, ...shell, bundle];
      const words = ['dash', '-euc', script, 'dash', options, cache, owner, ...start];
      const settings = { PATH: env.PATH, TMPDIR: env.TMPDIR };
      const ended = place.run(['unshare', '-m', ...words], { env: settings });
      expect(ended.status).toBe(42);
      return ended.report?.arg[1];
    };
    expect(run('mode=1777')).toBe('cached');
    // Root of a container that shares it may have the same number.
    expect(run('mode=1777', ':', [])).toBe('temporary');
    expect(run('mode=0777')).toBe('temporary');
    expect(run('mode=1777,noexec')).toBe('temporary');
    expect(run('mode=1777', 'mount -o remount,noexec /dev/shm')).toBe('temporary');
    expect(
      run('mode=1777', 'mount --bind /var/empty /proc 2>/dev/null || mount -t tmpfs x /proc'),
    ).toBe('temporary');
  });

  test('not for a user whom the namespace does not know, who seems to own what others own', () => {
    const script = [
      'mount -t tmpfs -o mode=1777 tmpfs /dev/shm',
      'cp -a "$1" /dev/shm; chmod 755 /dev/shm/.rundle-cache-1 /dev/shm/.rundle-cache-1/*',
      'shift; exec "$@"',
    ].join('\n');
    const words = [
      'dash',
      '-euc',
      script,
      'dash',
      cache,
      ...user,
      'unshare',
      '-U',
      ...shell,
      bundle,
    ];
    const settings = { PATH: env.PATH, TMPDIR: env.TMPDIR };
    const ended = place.run(['unshare', '-m', ...words], { env: settings });
    expect([ended.status, ended.report?.arg[1]]).toEqual([42, 'temporary']);
  });

  test('a launcher that root has installed comes first', async () => {
    const folder = join(place.directory, `libexec of ${label}`);
    mkdirSync(folder, { mode: 0o755 });
    const installed = join(folder, 'launcher-1');
    const file = await place.bundle(join(folder, 'x.run'), { installed });
    chownSync(runtime, 12345, 12345);
    chownSync(cache, 12345, 12345);
    chownSync(cached, 12345, 12345);
    expect(verb([...user, ...shell, file])).toBe('cached');
    copyFileSync(place.witness, installed);
    chmodSync(installed, 0o755);
    expect(verb([...user, ...shell, file])).toBe('installed');
  });

  test('a bundle that was cut off below the first part says so by its size', async () => {
    const cut = join(place.directory, 'cut.run');
    const bytes = readFileSync(bundle);
    const first = bytes.indexOf('\n}\n\n# The first start');
    for (const size of [first + 3, first + 200, 12_000]) {
      writeFileSync(cut, bytes.subarray(0, size));
      const ended = place.run([...shell, cut], { env });
      expect(ended.report?.arg.slice(1)).toEqual(['cached', String(bytes.length), cut]);
    }
    writeFileSync(cut, bytes.subarray(0, first - 1));
    expect(place.run([...shell, cut], { env }).report).toBeUndefined();
  });
});

test('bash options from the environment: unchanged, or no cache', () => {
  const start = (settings: Record<string, string>) =>
    place.run(['bash', bundle, 'A=b'], { env: { ...env, ...settings } });
  const SHELLOPTS = 'allexport:braceexpand:errexit:keyword:noclobber:noglob:nounset';
  const ended = start({ SHELLOPTS });
  expect([ended.stderr, ended.status, ended.report?.arg[1]]).toEqual(['', 42, 'cached']);
  const options = ended.report?.env.find((entry) => entry.startsWith('SHELLOPTS='));
  expect(options?.split(/[=:]/)).toEqual(expect.arrayContaining(SHELLOPTS.split(':')));
  for (const BASHOPTS of ['nullglob:failglob', 'extglob']) {
    const ended = start({ BASHOPTS });
    expect([ended.stderr, ended.status, ended.report?.arg[1]]).toEqual(['', 42, 'temporary']);
    const options = ended.report?.env.find((entry) => entry.startsWith('BASHOPTS='));
    expect(options).not.toContain('execfail');
  }
  const failglob = place.run(['bash', '-O', 'failglob', bundle], { env });
  expect([failglob.status, failglob.report?.arg[1]]).toEqual([42, 'temporary']);
  const faked = place.run(['dash', bundle], { env: { ...env, BASH_VERSION: '5.2' } });
  expect([faked.status, faked.report?.arg[1]]).toEqual([42, 'cached']);
});
