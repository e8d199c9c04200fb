import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Profile } from '../../e2e/support/profile.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from '../../e2e/support/workplace.js';
import type { Promised } from './agreement.js';

/** Where situations are made: a bundle, and a directory of its own for each that could hold a launcher or a tree. */
export interface Scene extends Workplace {
  bundle: string;
  /** refuse-call.c and limit.c, compiled, in a directory of their own. */
  tools: string;
  refuse: string;
  limit: string;
  /** A root file system for containers around the bundle. */
  rootfs: string;
  /** Environment of a start, from which its processes can be told. */
  environment(profile: Profile): Record<string, string>;
  /** Directories that may hold the launcher, by the name of what names them, in the header's order. */
  candidates(profile: Profile): Record<string, string>;
  /** Words before all others: /dev/shm and /var/tmp are directories of the scene, where nobody else leaves anything. */
  host: readonly string[];
  /** What starts have left in any of these directories. */
  left(): string[];
}

/** What surrounds a start, and what comes of it. */
export interface Situation {
  name: string;
  /** What a start is expected to be for each who tries it. */
  expected: Partial<Record<Profile['name'], Promised>>;
  /** Whether `outside` makes the profile's process itself, so that its words are left out. */
  switches?: boolean;
  /** Words before the profile's own, run as root. */
  outside?: (scene: Scene, profile: Profile) => readonly string[];
  /** Words after them, run as the profile. */
  inside?: (scene: Scene, profile: Profile) => readonly string[];
  /** Words before the bundle's name: it cannot be executed itself where its own directory is mounted noexec. */
  shell?: readonly string[];
}

export function makeScene(): Scene {
  const place = makeWorkplace();
  const at = (...names: string[]) => join(place.directory, ...names);
  for (const name of [
    'bundle',
    'home',
    'home/.cache',
    'current',
    'run',
    'rootfs',
    'tools',
    'shm',
    'vartmp',
  ]) {
    mkdirSync(at(name));
    chmodSync(at(name), 0o1777);
  }
  for (const uid of [0, 12345]) {
    mkdirSync(at(`run/${uid}`), { mode: 0o700 });
    chownSync(at(`run/${uid}`), uid, uid);
  }
  for (const name of ['rootfs', 'tools']) chmodSync(at(name), 0o755);
  makeRootfs(at('rootfs'));
  const bundle = at('bundle/x.run');
  build(`dir:${at('rootfs')}`, bundle, '--env', 'PATH=/bin');
  const compiled = (name: string) => {
    const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
    const program = at('tools', name);
    execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
    return program;
  };
  // /tmp is left out: others have their files there, and the scene is below it.
  const searched = [
    'bundle',
    'home',
    'home/.cache',
    'current',
    'run/0',
    'run/12345',
    'scratch',
    'shm',
    'vartmp',
  ];
  const script = 'mount --bind "$1" /dev/shm; mount --bind "$2" /var/tmp; shift 2';
  return {
    ...place,
    host: changing(script, at('shm'), at('vartmp')),
    left: () =>
      searched.flatMap((name) =>
        readdirSync(at(name))
          .filter((file) => file.startsWith('.rundle-'))
          .map((file) => at(name, file)),
      ),
    bundle,
    tools: at('tools'),
    refuse: compiled('refuse-call'),
    limit: compiled('limit'),
    rootfs: at('rootfs'),
    environment: (profile) => ({
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      HOME: at('home'),
      TMPDIR: place.scratch,
      XDG_RUNTIME_DIR: at(`run/${profile.uid}`),
      RUNDLE_LAUNCHER_CACHE: 'no',
      NCCL_TEST_PLACE: place.scratch,
    }),
    candidates: (profile) => ({
      TMPDIR: place.scratch,
      XDG_RUNTIME_DIR: at(`run/${profile.uid}`),
      '/dev/shm': '/dev/shm',
      '/tmp': '/tmp',
      '/var/tmp': '/var/tmp',
      '~/.cache': at('home/.cache'),
      "the bundle's directory": at('bundle'),
      'the current directory': at('current'),
    }),
  };
}

/** Words that run what follows with system calls refused, by the rules of refuse-call.c. */
export const refusing =
  (...rules: string[]) =>
  (scene: Scene): readonly string[] => [scene.refuse, ...rules, '--'];

/**
 * Words that run what follows in a mount namespace that a shell script has changed. The script finds `operands` in
 * front of its arguments and shifts them away.
 */
export const changing = (script: string, ...operands: string[]): readonly string[] => [
  ...['unshare', '--mount', '--propagation', 'private'],
  ...['sh', '-euc', `${script}\ncd "$PWD"\nexec "$@"`, 'sh', ...operands],
];

/** Words that run what follows where the limit /proc/sys/user/NAME is 0. */
export const limiting =
  (name: string) =>
  (scene: Scene): readonly string[] => [scene.limit, name];
