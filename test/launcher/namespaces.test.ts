import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { bench, bundle, starter } from './support/container.js';
import { callersAndTiers, launch, type Running, until } from './support/workbench.js';

const status = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0];

describe.each(callersAndTiers)('namespaces, as $caller, tier $tier', ({ uid, prefix, tier }) => {
  const { begin, start } = starter(prefix, tier);

  describe('--pid', () => {
    const ready = async (running: Running) =>
      until('the program', () => running.stdout().includes('ready'));

    test('the program is pid 1 of a new /proc', async () => {
      const { stdout } = await start(['--pid'], 'echo $$ /proc/[0-9]*');
      expect(stdout).toBe('1 /proc/1\n');
    });

    test.each([0, 3, 255])('exit status %i', async (code) => {
      expect(await start(['--pid'], `exit ${code}`)).toMatchObject({ status: code, signal: null });
    });

    test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGALRM', 'SIGKILL'] as const)(
      '%s ends a program that does not handle it',
      async (signal) => {
        // What cat has answered is past all that shells and launchers do with signals.
        const running = launch(
          [...prefix, bench.launcher, 'installed', '0', bundle, '--mode', tier, '--pid', 'cat'],
          { TMPDIR: bench.scratch },
        );
        running.write('ready\n');
        await ready(running);
        process.kill(running.pid, signal);
        expect(await running.ended).toMatchObject({ status: null, signal });
      },
    );

    test('a handled signal arrives once, an ignored one has no effect', async () => {
      const script =
        'trap "echo got" USR1; trap "" HUP; trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done';
      const running = begin(['--pid'], script);
      await ready(running);
      process.kill(running.pid, 'SIGHUP');
      process.kill(running.pid, 'SIGUSR1');
      await until('the handler', () => running.stdout().includes('got'));
      await sleep(200);
      process.kill(running.pid, 'SIGTERM');
      expect(await running.ended).toMatchObject({ status: 5, stdout: 'ready\ngot\n' });
    });

    test('killing the parent ends all of it', async () => {
      const mark = `${uid}.${process.pid}`;
      const running = begin(['--pid'], `echo ready; sleep 987${mark} & sleep 987${mark}`);
      await ready(running);
      const count = () =>
        readdirSync('/proc').filter((pid) => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(`sleep\x00987${mark}`);
          } catch {
            return false;
          }
        }).length;
      await until('both sleeps', () => count() === 2);
      process.kill(running.pid, 'SIGKILL');
      await running.ended;
      await until('their end', () => count() === 0);
    });

    test('the parent holds none of the caller’s descriptors', async () => {
      const running = begin(['--pid'], 'echo ready; exec sleep 60');
      await ready(running);
      const open = readdirSync(`/proc/${running.pid}/fd`).map((fd) =>
        execFileSync('readlink', [`/proc/${running.pid}/fd/${fd}`], { encoding: 'latin1' }).trim(),
      );
      // Its standard streams are sockets here; the one pipe tells the program of its end.
      expect(open.filter((target) => target.startsWith('socket:'))).toEqual([]);
      expect(open.filter((target) => target.startsWith('pipe:'))).toHaveLength(1);
      process.kill(running.pid, 'SIGKILL');
      await running.ended;
    });

    test('it stops and goes on with the program', async () => {
      const script = 'trap "echo goes on" CONT; echo ready; while :; do sleep 0.05; done';
      const words = [
        bench.launcher,
        'installed',
        '0',
        bundle,
        '--mode',
        tier,
        '--pid',
        'sh',
        '-c',
        script,
      ];
      // The kernel stops only what somebody could continue: a job of a shell, not an orphaned group.
      const child = spawn(
        prefix[0] ?? words[0] ?? '',
        [...prefix.slice(1), ...(prefix.length > 0 ? words : words.slice(1))],
        {
          env: { PATH: process.env.PATH, TMPDIR: bench.scratch },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      const pid = child.pid ?? -1;
      let output = '';
      child.stdout.on('data', (bytes) => {
        output += bytes;
      });
      const ended = new Promise((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
      await until('the program', () => output.includes('ready'));
      process.kill(pid, 'SIGSTOP');
      await until('the stop', () => status(pid) === 'T');
      process.kill(pid, 'SIGCONT');
      await until('the signal that it goes on', () => output.includes('goes on'));
      const inner = Number(
        readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')
          .trim()
          .split(' ')
          .find((one) => readFileSync(`/proc/${one}/cmdline`, 'latin1').startsWith('sh')),
      );
      process.kill(inner, 'SIGSTOP');
      await until('both stops', () => status(inner) === 'T' && status(pid) === 'T');
      process.kill(pid, 'SIGCONT');
      await until('both starts', () => status(inner) !== 'T' && status(pid) !== 'T');
      process.kill(pid, 'SIGTERM');
      expect(await ended).toBe('SIGTERM');
    });

    test('signals ignored by the caller stay so, and do not hide the end', async () => {
      const run = (...words: string[]) =>
        launch(
          [
            ...['env', '--ignore-signal=CHLD', '--ignore-signal=HUP'],
            ...[
              ...prefix,
              bench.launcher,
              'installed',
              '0',
              bundle,
              '--mode',
              tier,
              '--pid',
              ...words,
            ],
          ],
          { TMPDIR: bench.scratch },
        ).ended;
      expect((await run('sh', '-c', 'exit 4')).status).toBe(4);
      const { stdout } = await run('grep', 'SigIgn', '/proc/self/status');
      expect(Number.parseInt(stdout.split('\t')[1] ?? '', 16) & 0x10001).toBe(0x10001);
    });
  });

  test('--net: lo alone, and it is up', async () => {
    const script = 'ls /sys/class/net; cat /sys/class/net/lo/flags';
    expect((await start(['--net'], script)).stdout).toBe('lo\n0x9\n');
  });

  test('--ipc: a /dev/shm and message queues of its own', async () => {
    const mark = `/dev/shm/rundle-ipc-${process.pid}`;
    writeFileSync(mark, '');
    try {
      const script =
        'ls -A /dev/shm /dev/mqueue; stat -c %a /dev/shm; echo x > /dev/null && echo x > /dev/shm/x';
      const ended = await start(['--ipc'], script);
      expect(ended).toMatchObject({
        status: 0,
        stdout: '/dev/mqueue:\n\n/dev/shm:\n1777\n',
        stderr: '',
      });
    } finally {
      execFileSync('rm', [mark]);
    }
  });

  test('--uts: a name of its own', async () => {
    expect((await start(['--uts', '--root'], 'hostname inside; hostname')).stdout).toBe('inside\n');
    expect(hostname()).not.toBe('inside');
  });
});
