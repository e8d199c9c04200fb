import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { makeToolFolder, Place, SHELLS } from './support.js';

const place = new Place();
afterAll(() => place.remove());

const bundle = await place.bundle(join(place.directory, 'x.run'));
const path = {
  GNU: '/usr/bin:/bin',
  busybox: makeToolFolder(join(place.directory, 'busybox tools'), () => '/bin/busybox'),
  Rust: makeToolFolder(
    join(place.directory, 'rust tools'),
    (name) => `/usr/lib/cargo/bin/coreutils/${name}`,
  ),
};

/** What shells add to an environment by themselves. */
const ADDED = ['PWD', 'OLDPWD', 'SHLVL', '_', 'PATH'];

function keyOf(entry: string): string {
  return entry.slice(0, entry.indexOf('='));
}

describe.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('%s', (_, words) => {
  const shell = [`/usr/bin/${words[0]}`, ...words.slice(1)];
  const label = words.join(' ');

  test.each(Object.entries(path))('%s coreutils', (_, PATH) => {
    const env = {
      PATH,
      TMPDIR: place.scratch,
      HOME: '/nowhere',
      LC_ALL: 'C.UTF-8',
      WORD: "a 'b'\n$(id)`id`\\",
    };
    const args = ['', 'a b', "'", '"$HOME"\n', '$(touch x)', '-x', '--', '*', 'naïve'];
    const ended = place.run([...shell, bundle, ...args], { env, input: 'for the program' });
    expect(ended.stderr).toBe('');
    expect(ended.status).toBe(42);
    const report = ended.report;
    const [launcher = '', verb, size, path, ...rest] = report?.arg ?? [];
    expect(launcher).toBe(join(place.scratch, `.rundle-launcher-${report?.pid}`));
    expect([verb, path]).toEqual(['temporary', bundle]);
    expect(size).toMatch(/^[0-9]+$/);
    expect(rest).toEqual(args.map((arg) => Buffer.from(arg).toString('latin1')));
    expect(report?.mode).toBe('700');
    expect(report?.stdin).toBe('for the program');
    expect(report?.cwd).toBe(place.directory);
    expect(report?.fd).toEqual(place.run([place.witness], { env }).report?.fd);
    for (const [key, value] of Object.entries(env))
      expect(report?.env).toContain(`${key}=${value}`);
    const added = (report?.env ?? []).map(keyOf).filter((key) => !Object.hasOwn(env, key));
    expect(added.filter((key) => !ADDED.includes(key))).toEqual([]);
    expect(place.leftovers()).toEqual([]);
  });

  test('an empty environment', () => {
    const ended = place.run([...shell, bundle, 'a'], { env: {} });
    expect(ended.stderr).toBe('');
    expect(ended.status).toBe(42);
    expect((ended.report?.env ?? []).map(keyOf).filter((key) => !ADDED.includes(key))).toEqual([]);
  });

  test('an empty PATH and one without the tools stay as they are', () => {
    for (const PATH of ['', '/nonexistent']) {
      const env = { PATH, TMPDIR: place.scratch };
      const ended = place.run([...shell, bundle], { env });
      expect(ended.stderr).toBe('');
      expect(ended.status).toBe(42);
      expect(ended.report?.env).toContain(`PATH=${PATH}`);
    }
  });

  test('umask, ignored signals and open descriptors arrive', () => {
    const fd = openSync('/dev/null', 'r');
    try {
      const command = (program: string[]) =>
        place.run(['dash', '-c', 'umask 027; trap "" HUP USR1; exec "$@"', 'dash', ...program], {
          stdio: { stdio: ['pipe', 'pipe', 'pipe', fd, 'ignore', 'ignore', 'ignore', fd] },
        });
      const direct = command([place.witness]).report;
      const started = command([...shell, bundle]).report;
      expect(started?.umask).toBe('27');
      expect(started?.umask).toBe(direct?.umask);
      expect(started?.signals).toEqual(direct?.signals);
      expect(started?.fd).toEqual(expect.arrayContaining([0, 1, 2, 3, 7]));
      expect(started?.fd).toEqual(direct?.fd);
    } finally {
      closeSync(fd);
    }
  });

  test('closed standard streams', () => {
    for (const closing of ['>&-', '<&-', '2>&-', '<&- >&-', '<&- >&- 2>&-']) {
      const script = `exec "$@" ${closing}`;
      const ended = place.run(['dash', '-c', script, 'dash', ...shell, bundle, 'a']);
      expect([closing, ended.status, ended.stderr]).toEqual([closing, 42, '']);
      expect(ended.report?.arg.at(-1)).toBe('a');
    }
  });

  test('shell options that the caller set', () => {
    for (const flags of ['-e', '-u', '-f', '-C', '-a', '-aefuC']) {
      const ended = place.run([...shell, flags, bundle, 'A=b', '*']);
      expect([flags, ended.status, ended.stderr]).toEqual([flags, 42, '']);
      expect(ended.report?.arg.slice(-2)).toEqual(['A=b', '*']);
      expect(ended.report?.env.filter((entry) => entry.includes('rundle_'))).toEqual([]);
    }
  });

  test('10,000 arguments', () => {
    const args = Array.from({ length: 10_000 }, (_, i) => `${i} $(x)`);
    const ended = place.run([...shell, bundle, ...args]);
    expect(ended.status).toBe(42);
    expect(ended.report?.arg.slice(4)).toEqual(args);
  });

  test('a name without a slash, from here and through PATH', async () => {
    const folder = join(place.directory, `bin ${label}`);
    mkdirSync(folder);
    await place.bundle(join(folder, '-only there.run'));
    const env = { PATH: `/usr/bin:/bin:${folder}`, TMPDIR: place.scratch };
    const here = place.run([...shell, basename(bundle), '1'], { env });
    expect(here.report?.arg.slice(3)).toEqual(['./x.run', '1']);
    const beside = place.run([...shell, '--', '-only there.run', '2'], { env, cwd: folder });
    expect(beside.report?.arg.slice(3)).toEqual(['./-only there.run', '2']);
    // Only bash searches PATH for a script that it is given.
    const found = place.run([...shell, '--', '-only there.run', '3'], { env });
    const there = [join(folder, '-only there.run'), '3'];
    expect(found.report?.arg.slice(3)).toEqual(label.startsWith('bash') ? there : undefined);
  });

  test('through links, without the executable bit, from a read-only directory', async () => {
    const folder = join(place.directory, `it's "a"\n  folder of ${label}`);
    mkdirSync(folder);
    const file = await place.bundle(join(folder, '$(touch x).run'));
    chmodSync(file, 0o644);
    const link = join(place.directory, `link to ${label}`);
    symlinkSync(file, link);
    chmodSync(folder, 0o555);
    for (const name of [file, link]) {
      const ended = place.run([...shell, name, 'x']);
      expect([ended.stderr, ended.status]).toEqual(['', 42]);
      expect(ended.report?.arg.slice(3)).toEqual([name, 'x']);
    }
  });
});

// yash keeps arguments as characters of its locale and replaces what is none.
test.each(
  SHELLS.filter(([name]) => name !== 'yash').map((shell) => [shell.join(' '), shell] as const),
)('names and arguments that are not UTF-8 in %s', (label, shell) => {
  const script = [
    'folder=$(printf "%s/n\\351\\377 %s" "$1" "$2")',
    'mkdir -p -- "$folder" && cp -- "$3" "$folder/x.run" && shift 3',
    'exec "$@" "$folder/x.run" "$(printf "a\\377")"',
  ].join('\n');
  const command = ['dash', '-c', script, 'dash', place.directory, label, bundle, ...shell];
  const ended = place.run(command);
  expect([ended.stderr, ended.status]).toEqual(['', 42]);
  const latin1 = `${place.directory}/n\xe9\xff ${label}/x.run`;
  expect(ended.report?.arg.slice(3)).toEqual([latin1, 'a\xff']);
});

test('by itself, as the kernel starts it for a caller that searched PATH', () => {
  const env = { PATH: `/usr/bin:/bin:${place.directory}`, TMPDIR: place.scratch };
  const ended = place.run(['env', basename(bundle), 'a'], { env, cwd: '/' });
  expect([ended.stderr, ended.status]).toEqual(['', 42]);
  expect(ended.report?.arg.slice(3)).toEqual([bundle, 'a']);
});

test.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
  'the launcher is the very process that the caller started, in %s',
  (_, shell) => {
    const note = join(place.directory, 'pid');
    const script = 'echo $$ >"$1"; shift; exec "$@"';
    const ended = place.run(['dash', '-c', script, 'dash', note, ...shell, bundle]);
    expect(String(ended.report?.pid)).toBe(readFileSync(note, 'utf8').trim());
  },
);

test('bash options from the environment reach the program unchanged', () => {
  const SHELLOPTS = 'allexport:braceexpand:errexit:keyword:noclobber:noglob:nounset';
  for (const extra of [{ SHELLOPTS }, { BASHOPTS: 'nocasematch:nullglob:failglob' }]) {
    const env = { PATH: '/usr/bin:/bin', TMPDIR: place.scratch, ...extra };
    const ended = place.run(['bash', bundle, 'A=b'], { env });
    expect([ended.stderr, ended.status]).toEqual(['', 42]);
    expect(ended.report?.arg.at(-1)).toBe('A=b');
    expect(ended.report?.env.filter((entry) => entry.includes('rundle_'))).toEqual([]);
    const options = ended.report?.env.find((entry) => entry.startsWith('SHELLOPTS='));
    if ('SHELLOPTS' in extra)
      expect(options?.split(/[=:]/)).toEqual(expect.arrayContaining(SHELLOPTS.split(':')));
  }
});

test('IFS from the environment', () => {
  for (const shell of SHELLS) {
    const env = { PATH: '/usr/bin:/bin', TMPDIR: place.scratch, IFS: '/r0123456789' };
    const ended = place.run([...shell, bundle, 'a/b'], { env });
    expect([ended.stderr, ended.status]).toEqual(['', 42]);
    expect(ended.report?.arg.at(-1)).toBe('a/b');
  }
});

test('another user', () => {
  const user = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];
  const ended = place.run([...user, bundle, 'a']);
  expect([ended.stderr, ended.status]).toEqual(['', 42]);
});
