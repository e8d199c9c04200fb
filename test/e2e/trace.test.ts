import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from './support/leftovers.js';
import { type Mounted, makeMounted } from './support/mounted.js';
import { profiles, runAs, user, witnessed } from './support/profile.js';
import { type Puppet, startPuppet } from './support/puppet.js';
import {
  endProcesses,
  goneExcept,
  processesOf,
  sessionOf,
  statusLine,
  tracedEnvironment,
} from './support/traces.js';

let mounted: Mounted;
let program: string;

beforeAll(() => {
  mounted = makeMounted(0, (rootfs) => {
    const source = fileURLToPath(new URL('support/escape.c', import.meta.url));
    program = join(rootfs, 'bin/escape');
    const options = ['-static', '-O1', '-Wall', '-Wextra', '-Werror'];
    execFileSync('musl-gcc', [...options, '-o', program, source]);
  });
});

afterEach(() => endProcesses(mounted.place));
afterAll(() => mounted?.place.remove());

const gone = () => goneExcept(mounted.place, mounted.before);
const environment = () => tracedEnvironment(mounted.place);

/** Processes of PRoot and below it, by what they execute: a file of a temporary tree. */
function traced(): number[] {
  const listed = execFileSync('sh', ['-c', 'ls -l /proc/[0-9]*/exe 2>/dev/null || :'], {
    encoding: 'latin1',
  });
  return listed
    .split('\n')
    .filter((line) => line.includes(` -> ${mounted.place.scratch}/.rundle-tree-`))
    .map((line) => Number(/\/proc\/(\d+)\/exe/.exec(line)?.[1]));
}

const nameOf = (pid: number) =>
  readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').slice(0, 2).join(' ').trim();

const start = (profile: (typeof profiles)[number], options: readonly string[] = []) =>
  startPuppet(profile, [mounted.bundle, '--mode', 'trace', ...options], {
    env: environment(),
    detached: true,
  });

describe('every system call, asked for a file that is on the host only', () => {
  const ask = (words: readonly string[]) => {
    const directory = join(mounted.place.directory, 'host');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'file'), '#!/bin/sh\nexit 77\n');
    chmodSync(join(directory, 'file'), 0o755);
    const paths = [join(directory, 'file'), join(directory, 'none')];
    return runAs(user, [...words, ...paths], { env: environment() });
  };

  test('the host itself answers: this is how an escape looks', async () => {
    const own = join(mounted.place.directory, 'escape');
    copyFileSync(program, own);
    const { stdout } = await ask([own]);
    // open, execve, openat, openat2, fchmodat2
    for (const number of [2, 59, 257, 437, 452]) expect(stdout).toMatch(RegExp(`^${number} `, 'm'));
    expect(stdout).toMatch(/^pid /m);
    expect(stdout).toMatch(/^foreign 20$/m);
  });

  test.each([{ options: [] }, { options: ['--rw'] }])(
    'a traced program is given nothing, with $options',
    async ({ options }: { options: readonly string[] }) => {
      const asked = await ask([mounted.bundle, '--mode', 'trace', ...options, 'escape']);
      expect(asked.stdout).toMatch(/^asked 5\d\d\n$/);
      expect(asked.status).toBe(0);
      expect(await gone()).toEqual([]);
    },
  );
});

describe.each(profiles)('as $name', (profile) => {
  const run = (argv: readonly string[], words: readonly string[] = []) =>
    runAs(profile, [...words, mounted.bundle, ...argv], { env: environment() });

  test('the program gets what it gets in other tiers, but for its pid', async () => {
    const script = 'umask 027; ulimit -Sn 77; trap "" USR1; exec 5</etc/hosts 9>&1 2>&-; exec "$@"';
    const words = ['env', 'LD_LIBRARY_PATH=/x', 'A=\x01\xff b', 'PROOT_NO_SECCOMP=1', 'sh', '-c'];
    const seen = [];
    for (const tier of ['extract', 'trace']) {
      const more = [
        '--mode',
        tier,
        '--inherit-env',
        '-e',
        'LD_PRELOAD=/none.so',
        'witness',
        '\x02 é',
      ];
      const found = witnessed(await run(more, [...words, script, 'sh']));
      seen.push({ ...found, pid: 0, ppid: 0, pgid: 0, sid: 0 });
    }
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[1]?.descriptors).toEqual(expect.arrayContaining([5, 9]));
    expect(seen[1]?.descriptors).not.toContain(2);
    expect(seen[1]?.ignored).toEqual(expect.arrayContaining([10]));
    expect(await gone()).toEqual([]);
  });

  test('exit status and signals are the program’s', async () => {
    for (const status of [0, 1, 126, 255])
      expect((await run(['--mode', 'trace', 'sh', '-c', `exit ${status}`])).status).toBe(status);
    for (const signal of ['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGPIPE', 'SIGABRT']) {
      const script = `kill -${signal.slice(3)} $$; sleep 9`;
      expect(await run(['--mode', 'trace', 'sh', '-c', script])).toMatchObject({
        status: null,
        signal,
      });
    }
    const shell = ['sh', '-c', '"$0" --mode trace sh -c "kill -40 \\$\\$; sleep 9"; echo $?'];
    const real = await run([], shell);
    expect(real.stdout).toBe('168\n');
    const missing = await run(['--mode', 'trace', 'nothing-such']);
    expect(missing).toMatchObject({ status: 127, stdout: '' });
    expect(await run(['--mode', 'trace', '/etc/passwd'])).toMatchObject({ status: 126 });
    expect(await gone()).toEqual([]);
  });

  test('signals reach the program once, and PRoot not at all', async () => {
    const puppet = await start(profile);
    expect(await puppet.ask('catch')).toBe('catching');
    const caught = (signal: number) => puppet.ask(`caught ${signal}`);
    // To this process alone, then to its group: the program is in that.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const)
      process.kill(puppet.pid, signal);
    for (const signal of [2, 15, 3, 1]) {
      while ((await caught(signal)) === '0');
      expect(await caught(signal)).toBe('1');
    }
    const tracer = traced().find((pid) => nameOf(pid).startsWith('proot')) ?? 0;
    expect(sessionOf(tracer).group).not.toBe(sessionOf(puppet.own).group);
    expect(sessionOf(puppet.own).group).toBe(sessionOf(puppet.pid).group);
    puppet.tell('exit 4');
    expect(await puppet.ended).toBe(4);
    expect(await gone()).toEqual([]);
  });

  test('a stop holds every process, and all go on', async () => {
    const puppet = await start(profile, []);
    const state = (pid: number) => statusLine(pid, 'State')[0];
    process.kill(-puppet.pid, 'SIGTSTP');
    await until('the stop', () => state(puppet.pid) === 'T');
    await until('all to stop', () => traced().every((pid) => /^[tT]$/.test(state(pid) ?? '')));
    process.kill(-puppet.pid, 'SIGCONT');
    expect(await puppet.ask('list /opt')).not.toBe('');
    puppet.close();
    expect(await puppet.ended).toBe(0);
    expect(await gone()).toEqual([]);
  });

  test('keys at a terminal', async () => {
    const line = `stty -echo; exec ${mounted.bundle} -q --mode trace`;
    const puppet = await startPuppet(profile, ['script', '-qec', line, '/dev/null'], {
      env: { ...environment(), SHELL: '/bin/sh' },
    });
    expect(await puppet.ask('catch')).toBe('catching');
    for (const [key, signal] of [
      ['\x03', 2],
      ['\x1c', 3],
      ['\x1a', 20],
    ] as const) {
      puppet.type(key);
      while ((await puppet.ask(`caught ${signal}`)) === '0');
      expect(await puppet.ask(`caught ${signal}`)).toBe('1');
    }
    puppet.tell('exit 4');
    expect(await puppet.ended).toBe(4);
    expect(await gone()).toEqual([]);
  });

  describe('SIGKILL leaves nothing behind', () => {
    const roles: Record<string, (puppet: Puppet) => number> = {
      'the launcher': (puppet) => puppet.pid,
      PRoot: () => traced().find((pid) => nameOf(pid).startsWith('proot')) ?? 0,
      'the program’s parent': (puppet) => Number(/(\d+)/.exec(statusLine(puppet.own, 'PPid'))?.[0]),
      'the program': (puppet) => puppet.own,
    };
    test.each(Object.keys(roles))('of %s', async (role) => {
      // What is not of the program's session goes too.
      const script = 'setsid sleep 60 </dev/null >/dev/null 2>&1 & exec puppet';
      const puppet = await start(profile, ['sh', '-c', script]);
      const victim = roles[role]?.(puppet) ?? 0;
      expect(victim).toBeGreaterThan(1);
      process.kill(victim, 'SIGKILL');
      expect(await puppet.ended).toBe('SIGKILL');
      if (role === 'the program') {
        // As in other tiers, what else runs is on its own now.
        expect(traced().length).toBeGreaterThan(0);
        for (const pid of traced())
          if (!nameOf(pid).startsWith('proot')) process.kill(pid, 'SIGKILL');
      }
      expect(await gone()).toEqual([]);
    });
  });

  test('output ends with the program, though a daemon goes on', async () => {
    const script = 'setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $!';
    const { stdout, status } = await run(['--mode', 'trace', 'sh', '-c', script]);
    expect(status).toBe(0);
    const sleeping = () =>
      processesOf(mounted.place).find(({ command }) => command === 'sleep 60')?.pid ?? 0;
    await until('the daemon', () => sleeping() > 0);
    expect(Number(stdout)).toBeGreaterThan(1);
    process.kill(sleeping(), 'SIGTERM');
    expect(await gone()).toEqual([]);
  });
});
