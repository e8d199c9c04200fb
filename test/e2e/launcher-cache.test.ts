import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settled } from './support/leftovers.js';
import { type Profile, profiles, root, runAs, type Witness } from './support/profile.js';
import { tiers } from './support/tiers.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--cmd', '["/bin/witness"]', '--env', 'PATH=/bin');
}, 60_000);
afterAll(() => place?.remove());

/** Lines of a shell: $1 is the bundle, "$@" a start of it by `profile`, and /dev/shm is empty. */
async function beside(profile: Profile, tier: string, ...lines: string[]): Promise<string[]> {
  const memory = 'mount -t tmpfs -o mode=1777 tmpfs /dev/shm';
  const script = [
    // Root keeps nothing in /dev/shm as such.
    profile.uid === 0
      ? `${memory}; export XDG_RUNTIME_DIR=/dev/shm/run; mkdir -m 0700 "$XDG_RUNTIME_DIR"`
      : memory,
    'cached() { for file in /dev/shm/.rundle-cache-*/launcher-* /dev/shm/run/.rundle-cache-*/launcher-*; do [ -e "$file" ] && return; done; return 1; }',
    ...lines,
  ].join('\n');
  const start = [...profile.prefix, bundle, '-q', '--mode', tier];
  const { RUNDLE_LAUNCHER_CACHE: _, XDG_RUNTIME_DIR: __, ...inherited } = process.env;
  const ended = await runAs(root, ['unshare', '-m', 'dash', '-euc', script, 'dash', ...start], {
    env: { ...inherited, TMPDIR: place.scratch },
  });
  expect([ended.status, ended.stderr]).toEqual([0, '']);
  return ended.stdout.trimEnd().split('\n');
}

describe.each(profiles)('$name', (profile) => {
  describe.each(tiers)('tier %s', (tier) => {
    test('a program started from the cache finds what the first one found', async () => {
      const [first, second, renewed] = await beside(
        profile,
        tier,
        'umask 027; trap "" HUP USR1; cd /usr; ulimit -n 300',
        '"$@"',
        'until cached; do sleep 0.02; done',
        'touch -d "1 hour ago" "$file"',
        '"$@"',
        // A start from the cache notes the use of the file.
        'find "$file" -mmin -30',
      );
      const [a, b] = [first, second].map((line) => JSON.parse(line ?? '') as Witness);
      expect(b).toEqual({ ...a, pid: b?.pid, env: b?.env });
      expect(b?.env.toSorted()).toEqual(a?.env.toSorted());
      expect(renewed).toMatch(/^\/dev\/shm\/(run\/)?\.rundle-cache-/);
      expect(await settled(place.scratch)).toEqual([]);
    });

    test('the first start leaves the program no child that has ended', async () => {
      const lines = await beside(
        profile,
        tier,
        '"$@" sleep 600 & program=$!',
        'until cached; do sleep 0.02; done',
        'until [ "$(cat /proc/$program/comm)" = sleep ]; do sleep 0.02; done',
        // Each process that has ended, and its parent.
        'sleep 0.1; ps -e -o stat= -o ppid= | while read -r state parent; do',
        '  case $state,$parent in Z*,$program) echo dead ;; esac',
        'done',
        'kill "$program"; { wait "$program" || :; } 2>/dev/null',
        'echo end',
      );
      expect(lines).toEqual(['end']);
    });
  });
});
