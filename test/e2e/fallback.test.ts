import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { privateDevices } from './support/devices.js';
import { type Profile, profiles, root, runAs, user, witnessed } from './support/profile.js';
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
let refuse: string;
let before: Traces;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--entrypoint', '["/bin/witness"]', '--env', 'PATH=/bin');
  refuse = join(place.directory, 'refuse');
  const source = fileURLToPath(new URL('support/refuse.c', import.meta.url));
  execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', refuse, source]);
  before = tracesBefore(place);
});

afterEach(() => endProcesses(place));
afterAll(() => place?.remove());

const notice = /^rundle: extracting, since the payload cannot be mounted here: .*\n$/;

/** Run what a script prepares in a mount namespace of its own; the device directory there is a private one. */
function runPrepared(profile: Profile, script: string, argv: readonly string[]) {
  const words = ['unshare', '-m', 'sh', '-euc', `${script}\nexec "$@"`, 'sh'];
  return runAs(root, [...words, ...profile.prefix, bundle, ...argv], {
    env: tracedEnvironment(place),
  });
}

describe.each([
  {
    what: 'is missing',
    script: privateDevices(''),
    who: profiles,
    why: 'No such file or directory',
  },
  {
    what: 'is closed to users',
    script: privateDevices('mknod -m 0600 /mnt/fuse c 10 229'),
    who: [user],
    why: 'Permission denied',
  },
  {
    what: 'has no driver',
    script: privateDevices('mknod -m 0666 /mnt/fuse c 60 229'),
    who: profiles,
    why: 'No such device or address',
  },
  {
    what: 'is another file',
    script: privateDevices('touch /mnt/fuse; chmod 0666 /mnt/fuse'),
    who: profiles,
    why: 'Invalid argument',
  },
  {
    what: 'is another device',
    script: 'mount --bind /dev/null /dev/fuse',
    who: profiles,
    why: 'Invalid argument',
  },
])('where /dev/fuse $what', ({ script, who, why }) => {
  test.each(who)('as $name the tree is extracted, with one line that says why', async (profile) => {
    const told = await runPrepared(profile, script, ['/bin/witness']);
    expect(witnessed(told).uid).toBe(profile.uid);
    expect(told.stderr).toMatch(notice);
    expect(told.stderr).toContain(why);
    const options = ['-q', '--no-entrypoint', 'witness', 'exit', '7'];
    for (const more of [[], ['--rw'], ['--root', '--pid']]) {
      const quiet = await runPrepared(profile, script, [...more, ...options]);
      expect(quiet).toMatchObject({ status: 7, stdout: '', stderr: '' });
    }
    expect(await goneExcept(place, before)).toEqual([]);
  });

  test.each(who)('as $name --mode mount does not fall back', async (profile) => {
    const refused = await runPrepared(profile, script, ['--mode', 'mount']);
    expect(refused).toMatchObject({ status: 125, stdout: '' });
    expect(refused.stderr).toMatch(/^rundle: .*fuse/i);
    expect(refused.stderr).toContain(why);
    expect(await goneExcept(place, before)).toEqual([]);
  });
});

describe.each(profiles)('as $name, where a mount is refused', (profile) => {
  const run = (words: readonly string[], argv: readonly string[]) =>
    runAs(profile, [refuse, ...words, bundle, ...argv], { env: tracedEnvironment(place) });
  const exit = ['--no-entrypoint', 'witness', 'exit', '7'];

  test('a mount point that no overlay is needed for does not matter', async () => {
    const mounts = ['-m', '/etc:/tmp/point', '-m', '/etc:/opt', '-m', '/etc/hosts:/run/a/file'];
    expect(await run(['overlay', '19'], [...mounts, ...exit])).toMatchObject({
      status: 7,
      stderr: '',
    });
  });

  test.each([
    ['FUSE, by a policy', ['fuse', '1'], []],
    ['FUSE, by the kernel', ['fuse', '19'], []],
    ['an overlay that is needed, by a policy', ['overlay', '1'], ['--rw']],
    ['an overlay that is needed, by the kernel', ['overlay', '19'], ['--rw']],
    ['an overlay for a mount point', ['overlay', '19'], ['--mount', '/etc:/nonexistent/point']],
    ['an overlay for a mount point, by a policy', ['overlay', '1'], ['-m', '/etc:/nowhere']],
  ])('%s: the tree is extracted, unless --mode mount', async (_name, words, options) => {
    const told = await run(words, [...options, ...exit]);
    expect(told).toMatchObject({ status: 7, stdout: '' });
    expect(told.stderr).toMatch(notice);
    expect(await run(words, ['--quiet', ...options, ...exit])).toMatchObject({
      status: 7,
      stderr: '',
    });
    const refused = await run(words, ['--mode', 'mount', ...options, ...exit]);
    expect(refused).toMatchObject({ status: 125, stdout: '' });
    expect(refused.stderr).toMatch(/^rundle: .*(FUSE|overlay)/);
    expect(await goneExcept(place, before)).toEqual([]);
  });

  test('an overlay that is not needed', async () => {
    expect(await run(['overlay', '19'], exit)).toMatchObject({ status: 7, stdout: '', stderr: '' });
  });
});

test('--verify says so, and which tier is left', async () => {
  const script = 'mount --bind /dev/null /dev/fuse';
  const verified = await runPrepared(root, script, ['--verify']);
  expect(verified.status).toBe(2);
  expect(verified.stdout).toMatch(/^ {2}no +mount +.*FUSE/m);
  expect(verified.stdout).toMatch(/^ {2}-> +extract /m);
  expect(verified.stdout).toMatch(/^ {2}WARN +fuse /m);
});
