import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { bundle, launcher, place } from './support/built-launcher.js';

const bytes = readFileSync(launcher);
const digest = createHash('sha256').update(bytes).digest('hex');
const name = `launcher-${digest}`;
const started = bundle();
const user = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];

/** A file system in memory that stands for a user's run-time directory. */
const memory = join(place, 'memory');
mkdirSync(memory);
const mount = (options: string) =>
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', memory]);
const unmount = () => spawnSync('umount', ['-l', memory]);
afterAll(unmount);
beforeEach(() => {
  unmount();
  mount('mode=0700');
});

/** What the header does last, with a private copy; the launcher has ended when this returns, its helper may not. */
function start(environment: Record<string, string>, prefix: readonly string[] = []): number | null {
  const copy = join(place, '.rundle-launcher-2');
  copyFileSync(launcher, copy);
  chmodSync(copy, 0o755);
  const argv = [...prefix, copy, 'temporary', '0', started, '--version'];
  return spawnSync(argv[0] ?? '', argv.slice(1), {
    env: { PATH: process.env.PATH, ...environment },
  }).status;
}

const cachesIn = (directory: string) =>
  readdirSync(directory).filter((entry) => entry.startsWith('.rundle-cache-'));

/** Processes of starts, whether or not they have taken their own name yet. */
const helpers = () =>
  readdirSync('/proc').filter((pid) => {
    try {
      const line = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'latin1') : '';
      return line.startsWith('rundle-cache\0') || line.includes(`\0${started}\0`);
    } catch {
      return false;
    }
  });

/** Start, and wait until no helper of any start is at work. */
async function fill(
  environment: Record<string, string> = { XDG_RUNTIME_DIR: memory },
  prefix: readonly string[] = [],
): Promise<void> {
  expect(start(environment, prefix)).toBe(0);
  while (helpers().length > 0) await sleep(5);
}

/** The one cache in `directory`. */
function only(directory: string): string {
  const caches = cachesIn(directory);
  expect(caches).toHaveLength(1);
  return join(directory, caches[0] ?? '');
}

/**
 * Runs `script` with $1 = this file's launcher and $2 = a bundle where /dev/shm is a file system of its own. What it starts
 * is started by the user 12345, or by `prefix`.
 */
function besideOwnShm(options: string, script: string, prefix = user): string {
  const words = [
    'mount -t tmpfs -o "$1" tmpfs /dev/shm; shift',
    'start() {',
    '  copy=$3/.rundle-launcher-2; cp "$1" "$copy"',
    `  ${prefix.join(' ')} "$copy" temporary 0 "$2" --version >/dev/null`,
    // Until this shell, the first process of its namespace, is the only one.
    '  while set -- /proc/[0-9]* && [ "$#" -gt 1 ]; do sleep 0.02; done',
    '}',
    script,
  ];
  const unshare = ['-m', '-p', '-f', '--mount-proc', 'dash', '-euc', words.join('\n'), 'dash'];
  return execFileSync('unshare', [...unshare, options, launcher, started, place], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
}

test.each([
  ['root', [], 0],
  ['another user', user, 12345],
] as const)('the first start of %s leaves the launcher for the next', async (_, prefix, uid) => {
  chownSync(memory, uid, uid);
  await fill({ XDG_RUNTIME_DIR: memory }, prefix);
  const cache = only(memory);
  expect(cache).toMatch(/\/\.rundle-cache-[0-9a-f]{16}$/);
  expect(statSync(cache)).toMatchObject({ mode: 0o40700, uid, gid: uid });
  expect(readdirSync(cache)).toEqual([name]);
  const file = join(cache, name);
  expect(statSync(file)).toMatchObject({ mode: 0o100500, uid, gid: uid, nlink: 1 });
  expect(readFileSync(file).equals(bytes)).toBe(true);
  const { ino } = statSync(file);
  await fill({ XDG_RUNTIME_DIR: memory }, prefix);
  expect(statSync(file).ino).toBe(ino);
  expect(only(memory)).toBe(cache);
});

test('RUNDLE_LAUNCHER_CACHE=no leaves nothing', async () => {
  await fill({ XDG_RUNTIME_DIR: memory, RUNDLE_LAUNCHER_CACHE: 'no' });
  expect(readdirSync(memory)).toEqual([]);
});

describe('without a run-time directory in memory that is the user’s alone, /dev/shm', () => {
  const runtime =
    'XDG_RUNTIME_DIR=$(mktemp -d "$3/run-XXXXXX"); chown 12345 "$XDG_RUNTIME_DIR"; export XDG_RUNTIME_DIR';
  const tmpfs = (options: string) =>
    `${runtime}; mount -t tmpfs -o mode=0700,uid=12345,${options} tmpfs "$XDG_RUNTIME_DIR"`;
  test.each([
    ['none is named', ':'],
    ['a relative name', 'export XDG_RUNTIME_DIR=memory; cd "$3"'],
    ['not in memory', runtime],
    ['noexec', tmpfs('noexec')],
    ['read-only', tmpfs('ro')],
    ['full', tmpfs('size=1m')],
    ['writable for the group', tmpfs('mode=0770')],
    ['another user’s, as after sudo', tmpfs('uid=54321')],
  ])('%s', (_, script) => {
    const list =
      'ls -A /dev/shm/.rundle-cache-*; ls -A "${XDG_RUNTIME_DIR-/nonexistent}" 2>/dev/null || :';
    const listed = besideOwnShm('mode=1777', `${script}\nstart "$@"\n${list}`);
    expect(listed).toBe(`${name}\n`);
  });

  test.each([
    ['noexec', 'mode=1777,noexec'],
    ['full', 'mode=1777,size=1m'],
    ['where others can rename', 'mode=0777'],
  ])('is not used either: %s', (_, options) => {
    expect(besideOwnShm(options, 'start "$@"; ls -A /dev/shm')).toBe('');
  });

  test('is not used by root, whose number a container that shares it may have too', () => {
    expect(besideOwnShm('mode=1777', 'start "$@"; ls -A /dev/shm', [])).toBe('');
  });
});

test('what others prepared is not touched, nor what others can enter', async () => {
  const at = (...names: string[]) => join(memory, ...names);
  // Before any name that is made by chance.
  mkdirSync(at('.rundle-cache--others'), { mode: 0o700 });
  writeFileSync(at('.rundle-cache--others', name), 'theirs');
  chownSync(at('.rundle-cache--others', name), 12345, 12345);
  chownSync(at('.rundle-cache--others'), 12345, 12345);
  mkdirSync(at('.rundle-cache--open'));
  chmodSync(at('.rundle-cache--open'), 0o777);
  writeFileSync(at('.rundle-cache--open', 'file'), '');
  mkdirSync(at('elsewhere'), { mode: 0o700 });
  symlinkSync('elsewhere', at('.rundle-cache--link'));
  writeFileSync(at('.rundle-cache--file'), '');
  execFileSync('mkfifo', [at('.rundle-cache--pipe')]);
  const strange = `.rundle-cache--$(id)\n'"* ${'x'.repeat(200)}`;
  mkdirSync(at(strange), { mode: 0o700 });
  const before = readdirSync(memory);
  await fill();
  const made = readdirSync(memory).filter((entry) => !before.includes(entry));
  expect(made).toHaveLength(1);
  expect(readdirSync(at(made[0] ?? ''))).toEqual([name]);
  expect(readdirSync(memory)).toEqual(expect.arrayContaining(before));
  expect(readFileSync(at('.rundle-cache--others', name), 'utf8')).toBe('theirs');
  expect(readdirSync(at('.rundle-cache--open'))).toEqual(['file']);
  expect(readdirSync(at('elsewhere'))).toEqual([]);
  expect(readdirSync(at(strange))).toEqual([]);
});

test.each([
  [
    'other bytes',
    (file: string) => writeFileSync(file, Buffer.alloc(bytes.length), { mode: 0o500 }),
  ],
  [
    'too few bytes',
    (file: string) => writeFileSync(file, bytes.subarray(0, 4096), { mode: 0o500 }),
  ],
  ['another mode', (file: string) => copyFileSync(launcher, file)],
  [
    'a second name',
    (file: string) => {
      writeFileSync(join(memory, 'precious'), bytes, { mode: 0o500 });
      linkSync(join(memory, 'precious'), file);
    },
  ],
  [
    'a link',
    (file: string) => {
      writeFileSync(join(memory, 'precious'), bytes, { mode: 0o500 });
      symlinkSync('../precious', file);
    },
  ],
  ['a pipe', (file: string) => execFileSync('mkfifo', [file])],
] as const)('a cached file with %s is replaced', async (_, spoil) => {
  mkdirSync(join(memory, '.rundle-cache-0'), { mode: 0o700 });
  const cache = join(memory, '.rundle-cache-0');
  const file = join(cache, name);
  spoil(file);
  writeFileSync(join(cache, 'unfinished'), 'of a start that was killed');
  await fill();
  expect(readdirSync(cache)).toEqual([name]);
  expect(lstatSync(file)).toMatchObject({ mode: 0o100500, nlink: 1 });
  expect(readFileSync(file).equals(bytes)).toBe(true);
  if (existsSync(join(memory, 'precious'))) {
    expect(statSync(join(memory, 'precious')).mode).toBe(0o100500);
    expect(readFileSync(join(memory, 'precious')).equals(bytes)).toBe(true);
  }
});

test('the four launchers that were used last stay', async () => {
  const cache = join(memory, '.rundle-cache-0');
  mkdirSync(cache, { mode: 0o700 });
  const others = [3, 1, 5, 2, 6, 4].map((age) => {
    const other = `launcher-${String(age).repeat(64)}`;
    writeFileSync(join(cache, other), '');
    utimesSync(join(cache, other), Date.now() / 1000 - 60 * age, Date.now() / 1000 - 60 * age);
    return other;
  });
  await fill();
  const expected = others.filter((other) => /-[123]+$/.test(other));
  expect(readdirSync(cache).sort()).toEqual([name, ...expected].sort());
});

test('of two caches, as two first starts at once make them, the first one stays', async () => {
  for (const cache of ['.rundle-cache-2', '.rundle-cache-1', '.rundle-cache-3']) {
    mkdirSync(join(memory, cache), { mode: 0o700 });
    writeFileSync(join(memory, cache, name), '');
  }
  await fill();
  expect(cachesIn(memory)).toEqual(['.rundle-cache-1']);
  expect(readFileSync(join(memory, '.rundle-cache-1', name)).equals(bytes)).toBe(true);
});

test('many first starts at once leave one cache with one launcher', async () => {
  const copies = Array.from({ length: 24 }, (_, i) =>
    join(place, `.rundle-launcher-${900000 + i}`),
  );
  const ended = copies.map((copy) => {
    copyFileSync(launcher, copy);
    chmodSync(copy, 0o755);
    const child = spawn(copy, ['temporary', '0', started, '--version'], {
      env: { XDG_RUNTIME_DIR: memory },
      stdio: 'ignore',
    });
    return once(child, 'close');
  });
  for (const [status] of await Promise.all(ended)) expect(status).toBe(0);
  while (helpers().length > 0) await sleep(5);
  expect(cachesIn(memory).length).toBeGreaterThan(0);
  await fill();
  expect(readdirSync(only(memory))).toEqual([name]);
});

test('an emulated launcher leaves nothing: the machine cannot execute it by itself', async () => {
  const copy = join(place, '.rundle-launcher-2');
  const foreign = process.arch === 'arm64' ? 'x86_64' : 'aarch64';
  copyFileSync(new URL(`../../dist/launchers/${foreign}`, import.meta.url), copy);
  chmodSync(copy, 0o755);
  const ended = spawnSync(
    `qemu-${foreign}-static`,
    ['-0', copy, copy, 'temporary', '0', started, '--version'],
    { env: { PATH: process.env.PATH, XDG_RUNTIME_DIR: memory }, encoding: 'utf8' },
  );
  expect([ended.status, ended.stderr]).toEqual([0, '']);
  while (helpers().length > 0) await sleep(5);
  for (const cache of cachesIn(memory)) expect(readdirSync(join(memory, cache))).toEqual([]);
});

test('cached: as installed, and every ten minutes what kills have left is removed', () => {
  const file = join(memory, name);
  copyFileSync(launcher, file);
  const dead = spawnSync('true').pid;
  const left = join(memory, `.rundle-launcher-${dead}`);
  writeFileSync(left, '');
  const before = (path: string, seconds: number) =>
    utimesSync(path, Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);
  before(left, 60);
  const run = () =>
    spawnSync(file, ['cached', '0', started, '--version'], {
      env: { XDG_RUNTIME_DIR: memory },
      encoding: 'utf8',
    });
  before(file, 300);
  expect(run()).toMatchObject({ status: 0, stderr: '' });
  expect(Date.now() - statSync(file).mtimeMs).toBeGreaterThan(290_000);
  expect(existsSync(left)).toBe(true);
  before(file, 700);
  expect(run()).toMatchObject({ status: 0, stderr: '' });
  expect(Date.now() - statSync(file).mtimeMs).toBeLessThan(290_000);
  expect(existsSync(left)).toBe(false);
  expect(existsSync(file)).toBe(true);
});
