import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { until } from './support/leftovers.js';
import { sharedMounted } from './support/mounted.js';
import { profiles, runAs } from './support/profile.js';
import { descriptorsOf, sessionOf, statusLine, tracedEnvironment } from './support/traces.js';

const { mounted, gone, helpers } = sharedMounted(3);

describe.each(profiles)('as $name', (profile) => {
  test('the server holds nothing of the caller', async () => {
    const { place, bundle } = mounted;
    const own = join(place.directory, 'caller');
    mkdirSync(own, { recursive: true });
    const log = join(own, 'log');
    writeFileSync(log, '');
    const file = openSync(log, 'r+');
    const words = ['taskset', '-c', '0', bundle, '--mode', 'mount', 'sh', '-c'];
    const script = 'echo ready; read -r line; cat /data/0 | wc -c; exit 3';
    const [command = '', ...rest] = [...profile.prefix, ...words, script];
    const child = spawn(command, rest, {
      cwd: own,
      env: tracedEnvironment(place),
      // A file and a pipe beside the three that everybody has.
      stdio: ['pipe', 'pipe', 'pipe', file, 'ignore', 'ignore', 'ignore', 'pipe'],
      detached: true,
    });
    closeSync(file);
    const ended = new Promise((resolve) => child.on('close', resolve));
    let text = '';
    child.stdout?.on('data', (bytes) => {
      text += bytes;
    });
    await until('the program', () => text.includes('ready'));
    const pid = child.pid ?? -1;
    const callers = descriptorsOf(pid).filter((path) => path !== '/dev/null');
    expect(callers).toContain(log);
    expect(callers.filter((path) => path.startsWith('socket:')).length).toBe(4);
    expect(helpers().length).toBeGreaterThan(0);
    for (const helper of helpers()) {
      const held = descriptorsOf(helper.pid);
      expect(held.filter((path) => callers.includes(path))).toEqual([]);
      // The payload and the device: nothing that would keep a namespace or a mount alive.
      const known = [bundle, '/dev/null'];
      expect(held.filter((path) => !known.includes(path) && !path.endsWith('/fuse'))).toEqual([]);
      expect(readlinkSync(`/proc/${helper.pid}/cwd`)).toBe('/');
      expect(sessionOf(helper.pid)).toEqual({
        group: helper.pid,
        session: helper.pid,
        terminal: 0,
      });
      expect(statusLine(helper.pid, 'Cpus_allowed')).toBe(statusLine('self', 'Cpus_allowed'));
    }
    expect(statusLine(pid, 'Cpus_allowed_list')).toBe('0');
    child.stdin?.end('go on\n');
    expect(await ended).toBe(3);
    expect(text).toBe('ready\n300000\n');
    expect(await gone()).toEqual([]);
  });

  test('the program has the caller’s umask, limits, niceness and OOM score', async () => {
    const script =
      'umask; ulimit -n; ulimit -v; cut -d " " -f 19 /proc/self/stat; cat /proc/self/oom_score_adj; grep SigIgn /proc/self/status';
    const caller = 'umask 0137; ulimit -n 77; ulimit -v 900000; trap "" USR1 PIPE; exec "$@"';
    const words = ['nice', '-n', '7', 'choom', '-n', '321', '--', 'sh', '-c', caller, 'sh'];
    const run = (...argv: string[]) =>
      runAs(profile, [...words, ...argv, 'sh', '-c', script], {
        env: tracedEnvironment(mounted.place),
      });
    const inside = await run(mounted.bundle, '--mode', 'mount');
    expect(inside).toMatchObject({ status: 0, stderr: '' });
    expect(inside.stdout).toBe((await run('busybox')).stdout);
    expect(inside.stdout).toMatch(
      /^0137\n77\n900000\n7\n321\nSigIgn:\s*[0-9a-f]{12}12[0-9a-f]{2}\n$/,
    );
  });

  test.each(['--as=20000000', '--nofile=16', '--stack=65536', '--memlock=0', '--sigpending=0'])(
    'the server works within the caller’s limits: %s',
    async (limit) => {
      const puppet = await mounted.start(profile, [], ['prlimit', limit, '--']);
      for (const [index, sum] of mounted.sums.entries()) {
        expect(await puppet.ask(`read /data/${index}`)).toBe(sum);
      }
      expect(await puppet.ask('execute /bin/true')).toBe('exit 0');
      puppet.close();
      expect(await puppet.ended).toBe(0);
      expect(await gone()).toEqual([]);
    },
  );
});
