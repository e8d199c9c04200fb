import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { architecture, bundle, launcher, place, run, start } from './support/built-launcher.js';
import { ownMachine } from './support/hand-made-bundle.js';

/** The tests of the cache have a file of their own. */
const cold = { RUNDLE_LAUNCHER_CACHE: 'no' };

describe('the protocol with the header', () => {
  test('probe: 0 at once, whatever follows', () => {
    expect(run([launcher, 'probe'])).toEqual({ status: 0, signal: null, stdout: '', stderr: '' });
    expect(run([launcher, 'probe', 'x', '/no/such'])).toMatchObject({ status: 0, stderr: '' });
  });

  test.each([
    [[]],
    [['help']],
    [['installed']],
    [['installed', '0']],
    [['installed', 'x', '/bundle']],
    [['installed', '99999999999999999999', '/bundle']],
    [['installed', '0', '']],
  ])('%j is no invocation', (argv) => {
    const ended = run([launcher, ...argv]);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain('./app.run --help');
  });

  test('without any argument, not even its name', () => {
    const source = join(place, 'bare.c');
    writeFileSync(
      source,
      '#include <unistd.h>\nint main(int n, char **a) { char *e[] = {0}; (void)n; return execve(a[1], e, e); }\n',
    );
    execFileSync('gcc', ['-w', '-o', join(place, 'bare'), source]);
    expect(run([join(place, 'bare'), launcher]).status).toBe(125);
  });

  test('temporary: its own copy goes, and what others left behind', () => {
    const directory = join(place, 'copies');
    mkdirSync(directory);
    const dead = spawnSync('true').pid;
    const copy = (name: string, age: number, owner = 0) => {
      const path = join(directory, name);
      writeFileSync(path, '');
      const then = Date.now() / 1000 - age;
      utimesSync(path, then, then);
      chownSync(path, owner, owner);
    };
    const own = `.rundle-launcher-${process.pid}`;
    copyFileSync(launcher, join(directory, own));
    chmodSync(join(directory, own), 0o755);
    copy(`.rundle-launcher-${dead}`, 60);
    copy('.rundle-launcher-1', 7200);
    const stay = [
      '.rundle-launcher-1x',
      '.rundle-launcher-',
      '.rundle-launcher-2',
      'other',
      '.rundle-launcher-999999998',
    ];
    copy('.rundle-launcher-1x', 7200);
    copy('.rundle-launcher-', 7200);
    copy('.rundle-launcher-2', 60); // its maker lives
    copy('other', 7200);
    copy('.rundle-launcher-999999998', 7200, 12345); // another user's
    symlinkSync('other', join(directory, '.rundle-launcher-999999997'));
    mkdirSync(join(directory, '.rundle-launcher-999999996'));
    const fresh = spawnSync('true').pid;
    copy(`.rundle-launcher-${fresh}`, 0); // its header may be about to start it
    const ended = run([join(directory, own), 'temporary', '0', bundle(), '--version'], cold);
    expect(ended.status).toBe(0);
    expect(readdirSync(directory).sort()).toEqual(
      [
        ...stay,
        '.rundle-launcher-999999997',
        '.rundle-launcher-999999996',
        `.rundle-launcher-${fresh}`,
      ].sort(),
    );
  });

  test('temporary never removes a file with another name, installed none at all', () => {
    for (const verb of ['temporary', 'installed']) {
      expect(run([launcher, verb, '0', bundle(), '--version'], cold).status).toBe(0);
      expect(existsSync(launcher)).toBe(true);
    }
    const copy = join(place, '.rundle-launcher-77');
    copyFileSync(launcher, copy);
    chmodSync(copy, 0o755);
    expect(run([copy, 'installed', '0', bundle(), '--version']).status).toBe(0);
    expect(existsSync(copy)).toBe(true);
  });

  test('a size that differs from the header’s is reported with both', () => {
    const path = bundle();
    const { length } = readFileSync(path);
    expect(run([launcher, 'installed', String(length), path, '--info']).status).toBe(0);
    const ended = run([launcher, 'installed', String(length + 5), path, '--info']);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain(String(length));
    expect(ended.stderr).toContain(String(length + 5));
  });
});

describe('what starts nothing', () => {
  test('--help names every option and the exit statuses, on two screens at most', () => {
    const { status, stdout } = start('/no/such/bundle', '--help');
    expect(status).toBe(0);
    const table = readFileSync(new URL('../../stub/options_table.c', import.meta.url), 'utf8');
    const names = [...table.matchAll(/(?:FLAG|VALUE|LIST)\((?:0|'.'), "([a-z-]+)"/g)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(25);
    for (const name of names) expect(stdout).toMatch(new RegExp(`--${name}\\b`));
    for (const status of ['125', '126', '127']) expect(stdout).toContain(status);
    expect(stdout.split('\n').length).toBeLessThan(66);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
  });

  test('--version is the package’s', () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const { version } = JSON.parse(text) as { version: string };
    expect(start('/no/such', '--version').stdout).toBe(
      `rundle launcher ${version} (bundle format 1, ${architecture})\n`,
    );
  });

  test('a mistake is reported before anything is extracted', () => {
    for (const [argv, word] of [
      [['--rc', '/no/such/script'], '/no/such/script'],
      [['-m', 'nonsense'], 'nonsense'],
      [['-c', '/no/such/conf'], '/no/such/conf'],
      [['--env-file', '/no/such/file'], '/no/such/file'],
    ] as const) {
      // Extracting would fail with the payload's fault instead.
      const ended = start(bundle(), ...argv);
      expect(ended.status).toBe(125);
      expect(ended.stderr).toContain(word);
    }
  });

  test('with standard output closed or full: an error, and nothing written elsewhere', () => {
    const path = bundle();
    for (const [script, status] of [
      ['exec "$@" >&-', 125],
      ['exec "$@" >/dev/full', 125],
      ['exec "$@" <&- 2>&-', 0],
    ] as const) {
      for (const option of ['--help', '--info']) {
        const ended = run([
          '/bin/sh',
          '-c',
          script,
          'sh',
          launcher,
          'installed',
          '0',
          path,
          option,
        ]);
        expect(ended.status, `${script} ${option}`).toBe(status);
      }
    }
    const silent = run([
      '/bin/sh',
      '-c',
      'exec "$@" 2>&- <&- >&-',
      'sh',
      launcher,
      'installed',
      '0',
      path,
      '--bad',
    ]);
    expect(silent).toMatchObject({ status: 125, stdout: '', stderr: '' });
  });

  test('a bundle for another machine: shown, not started', () => {
    const other = ownMachine === 62 ? 183 : 62;
    const arch = ownMachine === 62 ? 'aarch64' : 'x86_64';
    const path = bundle([`arch=${arch}`], { machine: other });
    expect(start(path, '--info').stdout).toContain(arch);
    const started = start(path);
    expect(started.status).toBe(125);
    expect(started.stderr).toContain('nothing for this machine');
    const verified = start(path, '--verify');
    expect(verified.status).toBe(1);
    expect(verified.stdout).toMatch(new RegExp(`FAIL +architecture .*${arch}`));
  });

  test('no bundle, a directory, an empty file: a fault with the path', () => {
    const empty = join(place, 'empty');
    writeFileSync(empty, '');
    for (const path of ['/no/such/bundle', place, empty]) {
      const ended = start(path, '--info');
      expect(ended.status).toBe(125);
      expect(ended.stderr).toContain(path);
    }
  });

  test('--verify finds what a host lacks, with the remedy', () => {
    const ended = start(bundle(), '--verify');
    expect(ended).toMatchObject({ status: 1, stderr: '' });
    expect(ended.stdout).toMatch(/^ {2}FAIL +payload +/m);
    expect(ended.stdout).toMatch(/^ +\S+ --check$/m);

    // A user namespace may hold no further ones: what a host with a limit of zero looks like.
    const limited = run(
      [
        ...['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c'],
        'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all --inh-caps -all --no-new-privs "$@"',
        ...['sh', 'sh', '-c', 'exec "$@"', 'sh', launcher, 'installed', '0', bundle(), '--verify'],
      ],
      { PATH: process.env.PATH ?? '' },
    );
    expect(limited.stdout).toMatch(
      /^ {2}FAIL +user-namespaces +entering a user namespace: No space/m,
    );
    expect(limited.stdout).toContain('sudo sysctl -w user.max_user_namespaces=15000');
    expect(limited.status).toBe(1);
  });
});

describe('unpack, for the builder', () => {
  const unpack = (path: string, ...argv: string[]) => run([launcher, 'unpack', '0', path, ...argv]);

  test('writes the tree; what holds something already is refused', () => {
    const tree = join(place, 'tree');
    mkdirSync(join(tree, 'sub'), { recursive: true });
    writeFileSync(join(tree, 'sub/file'), 'content\n');
    const image = join(place, 'payload');
    execFileSync('mksquashfs', [tree, image, '-comp', 'zstd', '-quiet', '-no-progress']);
    const path = bundle([], { payload: readFileSync(image) });
    const target = join(place, 'unpacked');
    expect(unpack(path, target)).toEqual({ status: 0, signal: null, stdout: '', stderr: '' });
    expect(readFileSync(join(target, 'sub/file'), 'utf8')).toBe('content\n');
    expect(existsSync(join(target, '.rundle'))).toBe(false);
    const again = unpack(path, target);
    expect(again.status).toBe(125);
    expect(again.stderr).toContain(target);
    expect(readFileSync(join(target, 'sub/file'), 'utf8')).toBe('content\n');
  });

  test('a payload that cannot be read leaves nothing behind', () => {
    const target = join(place, 'nothing');
    expect(unpack(bundle(), target).status).toBe(125);
    expect(existsSync(target)).toBe(false);
    mkdirSync(target);
    expect(unpack(bundle(), target).status).toBe(125);
    expect(readdirSync(target)).toEqual([]);
  });

  test('without a directory, or with two', () => {
    expect(unpack(bundle()).status).toBe(125);
    expect(unpack(bundle(), 'a', 'b').status).toBe(125);
  });
});
