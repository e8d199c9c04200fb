import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { until } from './support/leftovers.js';
import { makeMounted, optionSets, sharedMounted } from './support/mounted.js';
import { type Profile, profiles } from './support/profile.js';
import { inputOutputError, type Puppet, startPuppet } from './support/puppet.js';
import { serversOf, statusLine, tracedEnvironment } from './support/traces.js';

const { mounted, gone } = sharedMounted(6);

/** The one server there is. */
function server(): number {
  const found = serversOf(mounted.place);
  expect(found.length).toBe(1);
  return found[0] ?? -1;
}

/**
 * Stop the server and let the puppet wait for it: it is told to read /data/0. All threads have to stand still before,
 * since the kernel lets nobody kill a process whose request a server has taken and not answered.
 */
async function waitForStoppedServer(puppet: Puppet): Promise<void> {
  const pid = server();
  const states = () =>
    readdirSync(`/proc/${pid}/task`).map((thread) => statusLine(`${pid}/task/${thread}`, 'State'));
  const idle = await standstill(puppet.pid);
  process.kill(pid, 'SIGSTOP');
  await until('all threads to stop', () => states().every((state) => state.startsWith('T')));
  puppet.tell('read /data/0');
  while ((await standstill(puppet.pid)) === idle);
}

/** What a process is waiting for, as the kernel shows it: a system call with its arguments. */
async function standstill(pid: number): Promise<string> {
  let seen = '';
  await until('the puppet to wait', () => {
    seen = readFileSync(`/proc/${pid}/syscall`, 'latin1');
    return seen !== 'running\n' && /^[SD]/.test(statusLine(pid, 'State'));
  });
  return seen;
}

describe.each(profiles)('as $name', (profile) => {
  test.each(optionSets)('SIGKILL to the server is an I/O error: $options', async ({ options }) => {
    const puppet = await mounted.start(profile, options);
    expect(await puppet.ask('hold /data/0')).toBe('held');
    expect(await puppet.ask('map /data/1')).toBe('mapped');
    process.kill(server(), 'SIGKILL');
    await until('the end of the server', () => serversOf(mounted.place).length === 0);
    expect(await puppet.ask('read /data/2')).toMatch(inputOutputError);
    expect(await puppet.ask('look /data/3')).toMatch(inputOutputError);
    expect(await puppet.ask('rest')).toMatch(inputOutputError);
    expect(await puppet.ask('touch')).toBe('SIGBUS');
    expect(await puppet.ask('execute /bin/busybox')).toMatch(inputOutputError);
    expect(await puppet.ask('list /opt')).toMatch(inputOutputError);
    puppet.tell('exit 6');
    expect(await puppet.ended).toBe(6);
    expect(await gone()).toEqual([]);
  });

  test('SIGKILL to the server while a program waits for it', async () => {
    const puppet = await mounted.start(profile);
    await waitForStoppedServer(puppet);
    process.kill(server(), 'SIGKILL');
    expect(await puppet.answer()).toMatch(inputOutputError);
    puppet.tell('exit 6');
    expect(await puppet.ended).toBe(6);
    expect(await gone()).toEqual([]);
  });

  test('SIGKILL to a program that waits for its server', async () => {
    const puppet = await mounted.start(profile);
    await waitForStoppedServer(puppet);
    process.kill(puppet.pid, 'SIGKILL');
    expect(await puppet.ended).toBe('SIGKILL');
    process.kill(server(), 'SIGCONT');
    expect(await gone()).toEqual([]);
  });

  test('no other signal ends or stops the server', async () => {
    const puppet = await mounted.start(profile);
    for (let signal = 1; signal < 32; signal++) {
      if (signal !== 9 && signal !== 19) process.kill(server(), signal);
    }
    expect(statusLine(server(), 'State')).toMatch(/^[SR]/);
    expect(await puppet.ask('read /data/0')).toBe(mounted.sums[0]);
    puppet.close();
    expect(await puppet.ended).toBe(0);
    expect(await gone()).toEqual([]);
  });

  describe('the bundle changes during the run', () => {
    const copy = () => join(mounted.place.directory, 'copy.run');
    const startCopy = (as: Profile) => {
      rmSync(copy(), { force: true });
      copyFileSync(mounted.bundle, copy());
      return startPuppet(as, [copy(), '--mode', 'mount'], {
        env: tracedEnvironment(mounted.place),
      });
    };

    test('replaced: the container goes on with the old one', async () => {
      const puppet = await startCopy(profile);
      const other = makeMounted(2);
      try {
        renameSync(other.bundle, copy());
        expect(await puppet.ask('read /data/0')).toBe(mounted.sums[0]);
        const next = await startPuppet(profile, [copy(), '--mode', 'mount'], {
          env: tracedEnvironment(mounted.place),
        });
        expect(await next.ask('read /data/0')).toBe(other.sums[0]);
        expect(await puppet.ask('read /data/1')).toBe(mounted.sums[1]);
        expect(await puppet.ask('read /data/5')).toBe(mounted.sums[5]);
        expect(await next.ask('read /data/5')).toBe('ENOENT');
        for (const one of [puppet, next]) {
          one.close();
          expect(await one.ended).toBe(0);
        }
      } finally {
        other.place.remove();
      }
      expect(await gone()).toEqual([]);
    });

    test('deleted: the container goes on', async () => {
      const puppet = await startCopy(profile);
      rmSync(copy());
      expect(await puppet.ask('read /data/0')).toBe(mounted.sums[0]);
      expect(await puppet.ask('execute /bin/true')).toBe('exit 0');
      puppet.close();
      expect(await puppet.ended).toBe(0);
      expect(await gone()).toEqual([]);
    });

    test('truncated: an I/O error, and the server lives', async () => {
      const puppet = await startCopy(profile);
      expect(await puppet.ask('read /data/0')).toBe(mounted.sums[0]);
      expect(await puppet.ask('map /data/1')).toBe('mapped');
      expect(await puppet.ask('hold /data/2')).toBe('held');
      truncateSync(copy(), 4096);
      expect(await puppet.ask('read /data/0')).toBe(mounted.sums[0]);
      expect(await puppet.ask('touch')).toBe('SIGBUS');
      expect(await puppet.ask('rest')).toBe('EIO');
      expect(await puppet.ask('read /data/3')).toBe('EIO');
      expect(await puppet.ask('execute /bin/witness')).toBe('EIO');
      expect(server()).toBeGreaterThan(0);
      puppet.tell('exit 6');
      expect(await puppet.ended).toBe(6);
      expect(await gone()).toEqual([]);
    });
  });
});
