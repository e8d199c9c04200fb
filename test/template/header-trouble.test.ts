import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type Ended, makeToolFolder, type Options, Place, SHELLS } from './support.js';

const place = new Place();
afterAll(() => place.remove());

const bundle = await place.bundle(join(place.directory, 'x.run'));
const user = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];
const text = readFileSync(bundle, 'latin1');
const everyShell = SHELLS.map((shell) => [shell.join(' '), shell] as const);
const busybox = makeToolFolder(join(place.directory, 'busybox'), () => '/bin/busybox');
const rust = makeToolFolder(
  join(place.directory, 'rust'),
  (name) => `/usr/lib/cargo/bin/coreutils/${name}`,
);

/** Runs `command` where /dev/shm, /tmp and /var/tmp are file systems of its own; /tmp keeps this test's directory. */
function runAlone(mountOptions: string, command: readonly string[], options: Options = {}): Ended {
  const script = [
    'set -e',
    'options=$1; keep=$2; shift 2',
    'mkdir -p /mnt; mount -t tmpfs tmpfs /mnt; mkdir /mnt/keep; mount --bind "$keep" /mnt/keep',
    'for place in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o "$options" tmpfs "$place"; done',
    'mkdir "$keep"; mount --bind /mnt/keep "$keep"; cd "$keep"',
    'for place in /dev/shm /tmp /var/tmp; do mount -o "remount,$options" "$place"; done',
    'exec "$@"',
  ].join('\n');
  return place.run(
    ['unshare', '-m', 'dash', '-c', script, 'dash', mountOptions, place.directory, ...command],
    options,
  );
}

describe.each(everyShell)('%s', (label, shell) => {
  test('a directory that cannot execute is left for the next', () => {
    const home = join(place.directory, `home ${label}`);
    mkdirSync(join(home, '.cache'), { recursive: true });
    const env = { PATH: '/usr/bin:/bin', HOME: home };
    const ended = runAlone('noexec', [...shell, bundle, 'a'], { env });
    expect([ended.stderr, ended.status]).toEqual(['', 42]);
    const { arg = [], pid } = ended.report ?? {};
    expect(arg[0]).toBe(join(home, '.cache', `.rundle-launcher-${pid}`));
  });

  test('the order of directories, as each becomes unusable', () => {
    const [a, b] = [join(place.directory, `a ${label}`), join(place.directory, `b ${label}`)];
    mkdirSync(a);
    mkdirSync(b);
    const env = { PATH: '/usr/bin:/bin', TMPDIR: a, XDG_RUNTIME_DIR: b };
    const chosen = (settings: Record<string, string>) => {
      const ended = place.run([...shell, bundle], { env: { ...env, ...settings } });
      expect([ended.stderr, ended.status]).toEqual(['', 42]);
      return ended.report?.arg[0]?.replace(/\/\.rundle-launcher-[0-9]+$/, '');
    };
    expect(chosen({})).toBe(a);
    expect(chosen({ TMPDIR: 'relative' })).toBe(b);
    expect(chosen({ TMPDIR: '/nonexistent' })).toBe(b);
    expect(chosen({ TMPDIR: bundle })).toBe(b);
    expect(chosen({ TMPDIR: '', XDG_RUNTIME_DIR: '' })).toBe('/dev/shm');
    chmodSync(a, 0o555);
    chmodSync(b, 0o777);
    const ended = place.run([...user, ...shell, bundle], { env });
    expect(ended.report?.arg[0]).toMatch(b);
  });

  test('no directory can execute: all are listed with the way out', () => {
    const env = { PATH: '/usr/bin:/bin', TMPDIR: '/nonexistent', HOME: '/nonexistent' };
    const bind = 'mount --bind . .; cd "$PWD"; mount -o remount,bind,noexec "$PWD"; exec "$@"';
    const ended = runAlone('noexec', ['dash', '-c', bind, 'dash', ...shell, './x.run'], { env });
    expect(ended.status).toBe(125);
    expect(ended.report).toBeUndefined();
    const lines = ended.stderr.split('\n');
    expect(lines[0]).toBe('rundle: no directory was found that can execute the launcher:');
    expect(lines.slice(1, 7)).toEqual([
      'rundle:   /nonexistent: is not there',
      ...['/dev/shm', '/tmp', '/var/tmp'].map(
        (name) =>
          `rundle:   ${name}: lets no program be executed (mounted noexec, or a security policy)`,
      ),
      'rundle:   /nonexistent/.cache: is not there',
      `rundle:   ${place.directory}/.: lets no program be executed (mounted noexec, or a security policy)`,
    ]);
    expect(ended.stderr).toContain('TMPDIR=/path/that/can/execute ./x.run');
    expect(readdirSync(place.directory).filter((name) => name.startsWith('.rundle'))).toEqual([]);
  });

  test('no space in a directory', () => {
    const ended = runAlone('size=8k', [...shell, bundle], { env: { PATH: '/usr/bin:/bin' } });
    expect([ended.stderr, ended.status]).toEqual(['', 42]);
    expect(ended.report?.arg[0]).toContain(place.directory);
  });

  test.each([
    ['GNU', '/usr/bin:/bin'],
    ['busybox', busybox],
    ['Rust', rust],
  ])('a truncated file, %s coreutils', (_, PATH) => {
    const whole = readFileSync(bundle).length;
    const header = Number(/^rundle_x86_64_skip='(\d+)'$/m.exec(text)?.[1]) * 4096;
    for (const size of [whole - 5001, header + 4096 + 10, header, header - 1]) {
      const cut = join(place.directory, 'cut.run');
      copyFileSync(bundle, cut);
      truncateSync(cut, size);
      const command = [`/usr/bin/${shell[0]}`, ...shell.slice(1), cut];
      const ended = place.run(command, { env: { PATH, TMPDIR: place.scratch } });
      expect(ended.status).toBe(125);
      expect(ended.stderr).toBe(
        `rundle: ${cut} is truncated: it has ${size} bytes, it should have ${whole}; copy it again\n`,
      );
      expect(place.leftovers()).toEqual([]);
    }
  });

  test('cut off inside the header: nothing runs and it fails', () => {
    const first = text.indexOf('\n}\n\n# The first start');
    const last = text.lastIndexOf('\n}\n\n');
    expect(first).toBeGreaterThan(3000);
    expect(last).toBeGreaterThan(first);
    for (const size of [
      60,
      400,
      1000,
      3000,
      first,
      first + 2,
      first + 3,
      first + 9,
      last - 100,
      last,
    ]) {
      const cut = join(place.directory, 'cut.run');
      copyFileSync(bundle, cut);
      truncateSync(cut, size);
      const ended = place.run([...shell, cut]);
      expect(ended.report).toBeUndefined();
      if (size > 300) expect(ended.status).toBeGreaterThan(0);
    }
  });

  test('another machine', async () => {
    const path = join(place.directory, `arm ${label}.run`);
    const file = await place.bundle(path, { architecture: 'aarch64' });
    const ended = place.run([...shell, file]);
    expect([ended.status, ended.stderr]).toEqual([
      125,
      `rundle: ${file} needs Linux on aarch64; this is Linux x86_64\n`,
    ]);
  });

  test('what others prepared under the name of the copy is not used', () => {
    // The shell keeps its process number through exec, so the name can be known beforehand.
    const trap = join(place.directory, `trap ${label}`);
    const victim = join(place.directory, `victim ${label}`);
    for (const make of [
      'echo mine >',
      'mkfifo',
      'ln -s "$victim"',
      'ln -s /nonexistent',
      'mkdir',
    ]) {
      execFileSync('rm', ['-rf', trap]);
      mkdirSync(trap);
      writeFileSync(victim, 'precious');
      const script = `victim=$1; ${make} "$2/.rundle-launcher-$$"; shift 2; exec "$@"`;
      const env = { PATH: '/usr/bin:/bin', TMPDIR: trap, XDG_RUNTIME_DIR: place.scratch };
      const command = ['dash', '-c', script, 'dash', victim, trap, ...shell, bundle];
      const ended = place.run(command, { env });
      expect([ended.stderr, ended.status]).toEqual(['', 42]);
      expect(ended.report?.arg[0]).toContain(place.scratch);
      expect(readdirSync(trap)).toHaveLength(1);
      expect(readFileSync(victim, 'utf8')).toBe('precious');
    }
  });

  test('the copy is created by this start alone, and for nobody else', () => {
    const trace = join(place.directory, 'trace');
    const strace = ['strace', '-f', '-e', 'trace=open,openat,umask', '-o', trace];
    expect(place.run([...strace, ...shell, bundle]).status).toBe(42);
    const calls = readFileSync(trace, 'latin1').split('\n');
    const opens = calls.filter((call) => call.includes('.rundle-launcher-'));
    expect(opens).toHaveLength(1);
    expect(opens[0]).toContain('O_EXCL');
    const before = calls.slice(0, calls.indexOf(opens[0] ?? ''));
    expect(before.some((call) => call.includes('umask(077)'))).toBe(true);
  });

  test('an installed launcher is used only when none but root can write it', async () => {
    const folder = join(place.directory, `libexec of '${label}'`);
    mkdirSync(folder, { mode: 0o755 });
    const installed = join(folder, 'launcher-1');
    const path = join(place.directory, `installed ${label}.run`);
    const file = await place.bundle(path, { installed });
    const verb = (who = user) => {
      const ended = place.run([...who, ...shell, file, 'a b']);
      expect([ended.stderr, ended.status]).toEqual(['', 42]);
      expect(ended.report?.arg.slice(3)).toEqual([file, 'a b']);
      return ended.report?.arg[1];
    };
    expect(verb()).toBe('temporary');
    copyFileSync(place.witness, installed);
    chmodSync(installed, 0o755);
    expect(verb()).toBe('installed');
    // Root's program would lose its capabilities to the profile of the installed one.
    expect(verb([])).toBe('temporary');
    for (const [name, spoil, restore] of [
      ['group', () => chmodSync(installed, 0o775), () => chmodSync(installed, 0o755)],
      ['others', () => chmodSync(installed, 0o757), () => chmodSync(installed, 0o755)],
      ['owner', () => chownSync(installed, 1234, 0), () => chownSync(installed, 0, 0)],
      ['folder', () => chmodSync(folder, 0o775), () => chmodSync(folder, 0o755)],
      ['folder owner', () => chownSync(folder, 1234, 0), () => chownSync(folder, 0, 0)],
    ] as const) {
      spoil();
      expect([name, verb()]).toEqual([name, 'temporary']);
      restore();
      expect(verb()).toBe('installed');
    }
    writeFileSync(installed, '#!/nonexistent\n');
    expect(verb()).toBe('temporary');
    execFileSync('rm', [installed]);
    symlinkSync(place.witness, installed);
    expect(verb()).toBe('temporary');
  });

  test('a script that does not come from the file it is called after', () => {
    const ended = place.run(['dash', '-c', 'exec "$@" <x.run', 'dash', ...shell]);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain('rundle: cannot find the bundle');
  });
});

const fakeSystem = (label: string, system: string) => {
  const fake = join(place.directory, `fake ${label}`);
  mkdirSync(fake, { recursive: true });
  writeFileSync(join(fake, 'uname'), `#!/bin/sh\necho '${system}'\n`, { mode: 0o755 });
  return { PATH: `${fake}:/usr/bin:/bin`, TMPDIR: place.scratch };
};

// busybox has a uname of its own and asks for no other.
describe.each(everyShell.filter(([label]) => label !== 'busybox ash'))(
  'uname, in %s',
  (label, shell) => {
    test('names what another system is', async () => {
      const path = join(place.directory, `for arm, ${label}.run`);
      const file = await place.bundle(path, { architecture: 'aarch64' });
      const start = (system: string) =>
        place.run([...shell, file], { env: fakeSystem(label, system) });
      for (const system of ['Linux riscv64', 'Linux x86_64', 'Darwin arm64', 'FreeBSD arm64', '']) {
        const ended = start(system);
        expect([ended.status, ended.stderr]).toEqual([
          125,
          `rundle: ${file} needs Linux on aarch64; this is ${system || 'an unknown system'}\n`,
        ]);
      }
      for (const system of ['Linux aarch64', 'Linux arm64']) expect(start(system).status).toBe(42);
    });

    test('is not asked when the kernel says that it executes such a launcher', () => {
      expect(
        place.run([...shell, bundle], { env: fakeSystem(label, 'Linux riscv64') }).status,
      ).toBe(42);
    });

    test('is asked when the kernel does not say its architecture', () => {
      const hide = 'mount --bind /dev/null /proc/sys/kernel/arch && exec "$@"';
      const start = (system: string) =>
        place.run(['unshare', '-m', 'dash', '-c', hide, 'dash', ...shell, bundle], {
          env: fakeSystem(label, system),
        });
      expect(start('Linux amd64').status).toBe(42);
      expect(start('Linux riscv64')).toMatchObject({
        status: 125,
        stderr: `rundle: ${bundle} needs Linux on x86_64; this is Linux riscv64\n`,
      });
    });
  },
);
