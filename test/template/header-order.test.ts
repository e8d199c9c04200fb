import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { makeToolFolder, Place, SHELLS } from './support.js';

const place = new Place();
afterAll(() => place.remove());

const bundle = await place.bundle(join(place.directory, 'x.run'));
const base = join(place.directory, 'a place');
mkdirSync(base);

/** Where the launcher may execute, in the order of the search; each is a file system of its own in these tests. */
const candidates = [
  join(base, 'TMPDIR'),
  join(base, 'XDG_RUNTIME_DIR'),
  '/dev/shm',
  '/tmp',
  '/var/tmp',
  join(base, 'home/.cache'),
  join(base, 'own'),
  join(base, 'current'),
];

/** Mounts all candidates, the first `blocked` ones so that nothing there can be executed, and starts the bundle. */
const script = `
set -e
keep=$1 base=$2 bundle=$3 blocked=$4
shift 4
mount -t tmpfs tmpfs /mnt
mkdir /mnt/keep
mount --bind "$keep" /mnt/keep
for directory in /dev/shm /tmp /var/tmp; do mount -t tmpfs tmpfs "$directory"; done
mkdir "$keep"
mount --bind /mnt/keep "$keep"
cd "$base"
for directory in TMPDIR XDG_RUNTIME_DIR home/.cache own current; do
  mkdir -p "$directory"
  mount -t tmpfs tmpfs "$directory"
done
cp "$bundle" own/x.run
for directory in TMPDIR XDG_RUNTIME_DIR /dev/shm /tmp /var/tmp home/.cache own current; do
  [ "$blocked" -gt 0 ] || break
  mount -o remount,noexec "$directory"
  blocked=$((blocked - 1))
done
cd current
exec "$@"`;

function start(shell: readonly string[], blocked: number, PATH: string) {
  const words = [place.directory, base, bundle, String(blocked), 'env', `PATH=${PATH}`];
  const command = [`/usr/bin/${shell[0]}`, ...shell.slice(1), join(base, 'own/x.run'), 'a b'];
  return place.run(['unshare', '-m', 'dash', '-c', script, 'dash', ...words, ...command], {
    env: {
      PATH: '/usr/bin:/bin',
      TMPDIR: join(base, 'TMPDIR'),
      XDG_RUNTIME_DIR: join(base, 'XDG_RUNTIME_DIR'),
      HOME: join(base, 'home'),
      RUNDLE_LAUNCHER_CACHE: 'no',
    },
  });
}

const tools = [
  ['GNU', '/usr/bin:/bin', [0, 1, 2, 3, 4, 5, 6, 7]],
  ['busybox', makeToolFolder(join(place.directory, 'busybox'), () => '/bin/busybox'), [2, 7]],
  [
    'Rust',
    makeToolFolder(join(place.directory, 'rust'), (name) => `/usr/lib/cargo/bin/coreutils/${name}`),
    [2, 7],
  ],
] as const;

describe.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('%s', (_, shell) => {
  test.each(tools)('goes on to the first directory that executes, %s coreutils', (_, path, all) => {
    for (const blocked of all) {
      const ended = start(shell, blocked, path);
      expect([ended.stderr, ended.status]).toEqual(['', 42]);
      const { arg = [], pid } = ended.report ?? {};
      expect(arg[0]).toBe(`${candidates[blocked]}/.rundle-launcher-${pid}`);
      expect([arg[1], arg[4]]).toEqual(['temporary', 'a b']);
    }
  });

  test.each(tools)('lists them all when none does, %s coreutils', (_, path) => {
    const ended = start(shell, candidates.length, path);
    expect([ended.status, ended.report]).toEqual([125, undefined]);
    const lines = ended.stderr.split('\n');
    expect(lines.slice(1, -2)).toEqual(
      candidates.map(
        (name) =>
          `rundle:   ${name}: lets no program be executed (mounted noexec, or a security policy)`,
      ),
    );
  });
});
