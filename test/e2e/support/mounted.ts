import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach } from 'vitest';
import type { Profile } from './profile.js';
import { addData, addPuppet, type Puppet, startPuppet } from './puppet.js';
import {
  endProcesses,
  goneExcept,
  processesOf,
  type Traces,
  tracedEnvironment,
  tracesBefore,
} from './traces.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './workplace.js';

/** A bundle with a puppet and with data that no start reads by itself. */
export interface Mounted {
  place: Workplace;
  bundle: string;
  /** Sums of /data/0, /data/1, ... */
  sums: readonly string[];
  before: Traces;
  /** Start a puppet in tier mount. */
  start(profile: Profile, options?: readonly string[], words?: readonly string[]): Promise<Puppet>;
}

/** The options that change what processes and mounts a start makes. */
export const optionSets = [
  { options: [] },
  { options: ['--pid'] },
  { options: ['--rw'] },
  { options: ['--root'] },
  { options: ['--root', '--pid', '--rw'] },
] satisfies readonly { options: readonly string[] }[];

/** Build a bundle of its own; `furnish` may add to its root file system. */
export function makeMounted(files: number, furnish: (rootfs: string) => void = () => {}): Mounted {
  const place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  addPuppet(rootfs);
  const sums = addData(rootfs, files);
  furnish(rootfs);
  const bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--cmd', '["/bin/puppet"]', '--env', 'PATH=/bin');
  return {
    place,
    bundle,
    sums,
    before: tracesBefore(place),
    start: (profile, options = [], words = []) =>
      startPuppet(profile, [...words, bundle, '--mode', 'mount', ...options], {
        env: tracedEnvironment(place),
        detached: true,
      }),
  };
}

/**
 * The same for all tests of the file that calls it: what one of them leaves running is ended after it. `gone` waits for
 * what starts may not leave, `helpers` are the launcher's processes that stay with a program.
 */
export function sharedMounted(files: number) {
  const mounted = makeMounted(files);
  afterEach(() => endProcesses(mounted.place));
  afterAll(() => mounted.place.remove());
  return {
    mounted,
    gone: () => goneExcept(mounted.place, mounted.before),
    helpers: () =>
      processesOf(mounted.place).filter(({ command }) => command.startsWith('rundle-')),
  };
}
