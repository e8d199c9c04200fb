import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import fsExtra from 'fs-extra';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { leftIn, until } from './support/leftovers.js';
import { compilePhase, killAt, type Phase, stride, type Victim } from './support/phase.js';
import { type Profile, profiles, root, runAs, user } from './support/profile.js';
import {
  endProcesses,
  goneExcept,
  type Traces,
  tracedEnvironment,
  tracesBefore,
} from './support/traces.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;
let phase: string;
let before: Traces;
/**
 * What each user finds as /dev/shm, with a runtime directory in it where launchers are kept for the next start: nobody
 * else's come and go there.
 */
let memory: Record<Profile['name'], string>;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--cmd', '["/bin/sh"]', '--env', 'PATH=/bin');
  phase = compilePhase(place.directory);
  before = tracesBefore(place);
  const makeMemory = ({ uid }: Profile) => {
    const directory = mkdtempSync('/dev/shm/rundle-test-');
    chmodSync(directory, 0o1777);
    mkdirSync(join(directory, 'run'), { mode: 0o700 });
    chownSync(join(directory, 'run'), uid, uid);
    return directory;
  };
  memory = { root: makeMemory(root), user: makeMemory(user) };
});

afterEach(() => endProcesses(place));
afterAll(() => {
  for (const directory of Object.values(memory ?? {})) fsExtra.removeSync(directory);
  place?.remove();
});

/** The same user, to whom /dev/shm is a directory of these tests. */
function withOwnMemory(profile: Profile): Profile {
  const script = 'mount --bind "$0" /dev/shm && exec "$@"';
  const words = ['unshare', '-m', 'sh', '-c', script, memory[profile.name]];
  return { ...profile, prefix: [...words, ...profile.prefix] };
}

const cacheThere = { RUNDLE_LAUNCHER_CACHE: undefined, XDG_RUNTIME_DIR: '/dev/shm/run' };

/** Let a start put its launcher into the cache, unless it is there. */
async function fillCache(profile: Profile): Promise<void> {
  const directory = join(memory[profile.name], 'run');
  const isFull = () =>
    readdirSync(directory).some((cache) =>
      readdirSync(join(directory, cache)).some((name) => name.startsWith('launcher-')),
    );
  if (isFull()) return;
  const env = { ...tracedEnvironment(place), ...cacheThere };
  const started = await runAs(profile, [bundle, 'true'], { env });
  expect(started).toMatchObject({ status: 0, stderr: '' });
  await until('the launcher in the cache', isFull);
}

const emptyCache = (profile: Profile) => fsExtra.emptyDirSync(join(memory[profile.name], 'run'));

/** What a kill may leave: one private copy of the launcher, when it came before the launcher had removed it. */
const copies = () => leftIn(place.scratch).filter((name) => /^\.rundle-launcher-\d+$/.test(name));

/** The next start removes what kills have left, and leaves nothing itself. */
async function nothingStays(profile: Profile): Promise<void> {
  const old = Date.now() / 1000 - 60;
  for (const name of copies()) utimesSync(join(place.scratch, name), old, old);
  const next = await runAs(profile, [bundle, '--mode', 'mount', 'true'], {
    env: { ...tracedEnvironment(place), RUNDLE_LAUNCHER_CACHE: 'no' },
  });
  expect(next).toMatchObject({ status: 0, stderr: '' });
  expect(await goneExcept(place, before)).toEqual([]);
  const directory = memory[profile.name];
  expect(readdirSync(directory).filter((name) => !name.startsWith('.rundle-cache-'))).toEqual([
    'run',
  ]);
  const kept = readdirSync(join(directory, 'run'));
  expect(kept.filter((name) => !name.startsWith('.rundle-cache-'))).toEqual([]);
}

interface Killing {
  env: NodeJS.ProcessEnv;
  /** Done before each start. */
  prepare: () => void | Promise<void>;
  judge: (ended: Phase, number: number) => void;
  /** How many copies of the launcher one kill may leave. */
  left: number;
}

/** Kill at every phase, or every so many; returns how often a kill came. */
async function killAtPhases(
  profile: Profile,
  victim: Victim,
  words: readonly string[],
  step: number,
  { env, prepare, judge, left }: Killing,
): Promise<number> {
  let kills = 0;
  for (let number = 1; ; number += step) {
    const known = copies();
    await prepare();
    const command = [bundle, ...words, 'witness', 'exit', '9'];
    const ended = await killAt(profile, phase, victim, number, command, env);
    if (!ended.killed) {
      expect(ended.end).toBe('exit 9');
      return kills;
    }
    kills++;
    judge(ended, number);
    const added = copies().filter((name) => !known.includes(name));
    expect(added.length, `phase ${number}, copies ${added}`).toBeLessThanOrEqual(left);
    const kept = copies().map((name) => join(place.scratch, name));
    const allowed = { ...before, files: [...before.files, ...kept] };
    expect(await goneExcept(place, allowed), `phase ${number}`).toEqual([]);
  }
}

/** What the header finds: no cache of launchers, an empty one, or one that holds its launcher. */
const caches = [
  { name: 'without a cache', prepare: () => {}, cache: { RUNDLE_LAUNCHER_CACHE: 'no' }, left: 1 },
  { name: 'with an empty cache', prepare: emptyCache, cache: cacheThere, left: 1 },
  { name: 'with a cache that holds its launcher', prepare: fillCache, cache: cacheThere, left: 0 },
] as const;

const modes = [
  { options: [] },
  { options: ['--pid'] },
  { options: ['--rw'] },
  { options: ['--root', '--pid', '--rw'] },
];
const wordsOf = (options: readonly string[]) => ['--mode', 'mount', ...options];

const ordinary = () => ({ env: tracedEnvironment(place), prepare: () => {}, left: 1 });

/** The program has run, or the launcher says why not, or the kernel ends what it can read no more. */
function startsOrSaysWhyNot({ end, stderr }: Phase, number: number): void {
  expect(end, `phase ${number}`).toMatch(/^(exit (9|125|126|127)|signal (7|9|11))$/);
  if (end.startsWith('exit 12')) expect(stderr, `phase ${number}`).toMatch(/^rundle: /);
}

describe.each(profiles)('as $name', (one) => {
  let profile: Profile;
  beforeAll(() => {
    profile = withOwnMemory(one);
  });

  describe.each(modes)('with $options', ({ options }) => {
    const mode = wordsOf(options);

    test.each([
      { name: 'the program alone', options: ['-x', '1'] },
      { name: 'its process group', options: ['-x', '1', '-g'] },
    ])('SIGKILL to $name at the phases of the launcher', async (victim) => {
      const kills = await killAtPhases(profile, victim, mode, stride(19), {
        ...ordinary(),
        judge: ({ end }, number) => expect(end, `phase ${number}`).toBe('signal 9'),
      });
      expect(kills).toBeGreaterThan(3);
      await nothingStays(profile);
    });

    test.each([1, 2])('SIGKILL to helper %i of the launcher', async (child) => {
      const victim = { name: 'helper', options: ['-x', '1', '-c', String(child)] };
      await killAtPhases(profile, victim, mode, stride(23), {
        ...ordinary(),
        judge: startsOrSaysWhyNot,
      });
      await nothingStays(profile);
    });
  });

  test('SIGKILL to a helper while the tier is still open', async () => {
    for (const child of [1, 2, 3]) {
      const victim = { name: 'helper', options: ['-x', '1', '-c', String(child)] };
      await killAtPhases(profile, victim, ['-q'], stride(23), {
        ...ordinary(),
        judge: startsOrSaysWhyNot,
      });
    }
    await nothingStays(profile);
  });

  describe.each(caches)('in the header, $name', ({ prepare, cache, left }) => {
    const words = wordsOf([]);
    const killHeader = (options: readonly string[], step: number) =>
      killAtPhases(profile, { name: 'header', options }, words, step, {
        prepare: () => prepare(profile),
        env: { ...tracedEnvironment(place), ...cache },
        // What a command of the launcher does may come after the program's end.
        judge: ({ end }) =>
          expect(end).toMatch(options.includes('-c') ? /^(signal|exit) 9$/ : 'signal 9'),
        left,
      });

    test('SIGKILL to its process group at its phases', async () => {
      expect(await killHeader(['-g'], stride(37))).toBeGreaterThan(3);
      await nothingStays(profile);
    });

    test('SIGKILL to the shell alone at its phases', async () => {
      expect(await killHeader([], stride(41))).toBeGreaterThan(3);
      await nothingStays(profile);
    });

    test.each([1, 2, 3, 4])('SIGKILL to the group at the phases of command %i', async (child) => {
      await killHeader(['-g', '-c', String(child)], stride(61));
      await nothingStays(profile);
    });
  });

  test('SIGKILL to the process group after delays over a whole start', async () => {
    const [command = '', ...rest] = [...profile.prefix, bundle, ...wordsOf([]), '-q', 'true'];
    const run = (delay?: number) =>
      new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
        const child = spawn(command, rest, {
          detached: true,
          stdio: 'ignore',
          env: tracedEnvironment(place),
        });
        child.on('error', reject);
        child.on('exit', (status, signal) => resolve(signal ?? status));
        const { pid } = child;
        if (delay === undefined || pid === undefined) return;
        setTimeout(() => child.exitCode === null && process.kill(-pid, 'SIGKILL'), delay);
      });
    const begin = performance.now();
    expect(await run()).toBe(0);
    const whole = performance.now() - begin;
    const ends = [];
    for (let index = 0; index < 30; index++) {
      const known = copies();
      ends.push(await run((index / 25) * whole));
      expect(copies().filter((name) => !known.includes(name)).length).toBeLessThanOrEqual(1);
    }
    expect(ends).toContain('SIGKILL');
    await nothingStays(profile);
  });
});
