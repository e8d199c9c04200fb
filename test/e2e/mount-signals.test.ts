import { describe, expect, test } from 'vitest';
import { until } from './support/leftovers.js';
import { sharedMounted } from './support/mounted.js';
import { profiles } from './support/profile.js';
import { type Puppet, startPuppet } from './support/puppet.js';
import { sessionOf, statusLine, tracedEnvironment } from './support/traces.js';

const { mounted, gone, helpers } = sharedMounted(4);

/** Wait until the puppet has caught a signal. */
async function caught(puppet: Puppet, signal: number): Promise<void> {
  const end = Date.now() + 20_000;
  while ((await puppet.ask(`caught ${signal}`)) === '0') {
    if (Date.now() > end) throw new Error(`waited 20 s for signal ${signal}`);
  }
}

describe.each(profiles)('as $name', (profile) => {
  describe.each([{ options: [] }, { options: ['--pid'] }, { options: ['--rw', '--root'] }])(
    'with options $options',
    ({ options }: { options: readonly string[] }) => {
      test('signals to the process group reach the program, not its server', async () => {
        const puppet = await mounted.start(profile, options);
        expect(await puppet.ask('catch')).toBe('catching');
        for (const [index, signal] of (
          ['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGTSTP'] as const
        ).entries()) {
          process.kill(-puppet.pid, signal);
          await caught(puppet, [2, 3, 1, 20][index] ?? 0);
          expect(await puppet.ask(`read /data/${index}`)).toBe(mounted.sums[index]);
        }
        expect(helpers().length).toBeGreaterThan(0);
        for (const { pid } of helpers()) {
          expect(statusLine(pid, 'State')).toMatch(/^[SR]/);
          expect(sessionOf(pid)).toMatchObject({ session: pid, group: pid, terminal: 0 });
        }
        puppet.tell('exit 4');
        expect(await puppet.ended).toBe(4);
        expect(await gone()).toEqual([]);
      });

      test('a process group that is stopped and goes on', async () => {
        const puppet = await mounted.start(profile, options);
        process.kill(-puppet.pid, 'SIGSTOP');
        await until('the stop', () => statusLine(puppet.pid, 'State').startsWith('T'));
        expect(helpers().length).toBeGreaterThan(0);
        for (const { pid } of helpers()) expect(statusLine(pid, 'State')).toMatch(/^[SR]/);
        process.kill(-puppet.pid, 'SIGCONT');
        expect(await puppet.ask('read /data/0')).toBe(mounted.sums[0]);
        puppet.close();
        expect(await puppet.ended).toBe(0);
        expect(await gone()).toEqual([]);
      });

      test('keys at a terminal', async () => {
        const line = `stty -echo; exec ${mounted.bundle} --mode mount ${options.join(' ')}`;
        const puppet = await startPuppet(profile, ['script', '-qec', line, '/dev/null'], {
          env: { ...tracedEnvironment(mounted.place), SHELL: '/bin/sh' },
        });
        expect(await puppet.ask('catch')).toBe('catching');
        for (const [index, [key, signal]] of [
          ['\x03', 2],
          ['\x1c', 3],
          ['\x1a', 20],
        ].entries()) {
          puppet.type(String(key));
          await caught(puppet, Number(signal));
          expect(await puppet.ask(`read /data/${index}`)).toBe(mounted.sums[index]);
        }
        puppet.tell('exit 4');
        expect(await puppet.ended).toBe(4);
        expect(await gone()).toEqual([]);
      });
    },
  );
});
