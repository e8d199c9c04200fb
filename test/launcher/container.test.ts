import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  callersAndTiers,
  compileC,
  launch,
  makeTree,
  makeWorkbench,
  pack,
  type Running,
  until,
  type Workbench,
} from './support/workbench.js';

let bench: Workbench;
let without: string;
let bundle: string;
let bare: string;

beforeAll(() => {
  bench = makeWorkbench();
  without = compileC(join(bench.directory, 'without'), ['support/without.c']);
  const tree = join(bench.directory, 'tree');
  mkdirSync(tree);
  makeTree(tree);
  mkdirSync(join(tree, 'etc/apt/apt.conf.d'), { recursive: true });
  writeFileSync(join(tree, 'etc/localtime'), 'TZif of the image');
  bundle = pack(bench, tree, ['cmd=/bin/sh']);
  const least = join(bench.directory, 'least');
  mkdirSync(join(least, 'bin'), { recursive: true });
  for (const name of ['busybox', 'sh', 'ls', 'cat', 'id', 'stat', 'touch', 'grep', 'pwd', 'test']) {
    execFileSync('cp', ['/usr/bin/busybox', join(least, 'bin', name)]);
  }
  bare = pack(bench, least, ['cmd=/bin/sh']);
});
afterAll(() => bench?.remove());

const status = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0];

describe.each(callersAndTiers)('the container, as $caller, tier $tier', ({ uid, prefix, tier }) => {
  const begin = (words: string[], script: string, environment: Record<string, string> = {}) =>
    launch(
      [
        ...prefix,
        bench.launcher,
        'installed',
        '0',
        bundle,
        '--mode',
        tier,
        ...words,
        'sh',
        '-c',
        script,
      ],
      { TMPDIR: bench.scratch, ...environment },
      { cwd: bench.directory },
    );
  const start = (...given: Parameters<typeof begin>) => begin(...given).ended;

  test('the process is the one that was started', async () => {
    const ended = await start([], 'echo $$');
    expect(ended.stdout).toBe(`${ended.pid}\n`);
  });

  test('a read-only root, writable with --rw', async () => {
    expect((await start([], 'touch /x')).stderr).toContain('Read-only');
    expect((await start(['--rw'], 'echo a > /x && cat /x')).stdout).toBe('a\n');
    expect((await start(['--rw'], 'cat /x')).stderr).toContain('No such file');
  });

  test('the host is out of sight', async () => {
    const ended = await start([], `ls / | tr '\\n' ' '; ls ${bench.directory}; ls -A /tmp /run`);
    expect(ended.stdout).toBe('bin dev etc home proc root run sys tmp var /run:\nlock\n\n/tmp:\n');
    expect(ended.stderr).toContain(bench.directory);
  });

  test('/tmp, /run and what leads there', async () => {
    const script =
      'stat -c "%a %n" /tmp /run /run/lock; touch /tmp/a /run/a /var/run/b /var/lock/c && ls /run';
    expect((await start([], script)).stdout).toBe(
      '1777 /tmp\n755 /run\n1777 /run/lock\na\nb\nlock\n',
    );
  });

  test('/proc, /sys, /dev and /dev/shm are the host’s', async () => {
    const mark = join('/dev/shm', `rundle-test-${process.pid}`);
    writeFileSync(mark, 'shared\n');
    try {
      const script = `cat ${mark}; test -d /proc/${process.pid} && test -d /sys/class/net && echo x > /dev/null && echo ok`;
      expect((await start([], script)).stdout).toBe('shared\nok\n');
    } finally {
      execFileSync('rm', [mark]);
    }
  });

  test('privileges', async () => {
    const { stdout } = await start([], 'cat /proc/self/status');
    const value = (name: string) => stdout.match(new RegExp(`^${name}:\\s*(.*)$`, 'm'))?.[1];
    expect(value('NoNewPrivs')).toBe('1');
    expect(value('Uid')?.split('\t')).toEqual(Array(4).fill(String(uid)));
    if (uid !== 0) {
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
        expect(value(set)).toBe('0000000000000000');
    }
  });

  test('files of the host', async () => {
    const files = ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf', '/etc/machine-id'];
    for (const file of files.filter(existsSync)) {
      const ended = await start(['--rw'], `cat ${file}; echo x >> ${file}`);
      expect(ended.stdout).toBe(readFileSync(file, 'latin1'));
      expect(ended.stderr).toMatch(/Read-only|Permission denied/);
    }
    const { stdout } = await start([], 'cat /etc/localtime');
    expect(stdout).toBe(
      existsSync('/etc/localtime') ? readFileSync('/etc/localtime', 'latin1') : 'TZif of the image',
    );
  });

  test('the caller has a name, and the image keeps its own', async () => {
    const { stdout } = await start([], 'id -un; id -gn; cat /etc/passwd', { USER: 'somebody' });
    const [name, group, ...passwd] = stdout.trim().split('\n');
    expect(passwd.at(-1)).toBe('root:x:0:0:root:/root:/bin/sh');
    expect([name, group]).toEqual(uid === 0 ? ['root', 'root'] : ['somebody', `group${uid}`]);
    expect(passwd).toHaveLength(uid === 0 ? 1 : 2);
  });

  test('a home that the image lacks', async () => {
    const environment = { HOME: '/home/some/one', USER: 'one' };
    const ended = await start([], 'cd; pwd; touch x && stat -c %a .', environment);
    expect(ended.stdout).toBe(uid === 0 ? '/root\n' : '/home/some/one\n700\n');
  });

  test('an image without any of the mount points', async () => {
    const ended = await launch(
      [
        ...[...prefix, bench.launcher, 'installed', '0', bare, '--mode', tier],
        ...['sh', '-c', 'cat /etc/passwd; ls /; cat /etc/hosts'],
      ],
      { TMPDIR: bench.scratch, USER: 'me', HOME: '/nowhere/at/all' },
    ).ended;
    expect(ended.stderr).toBe('');
    expect(ended.stdout).toContain(
      uid === 0 ? 'root:x:0:0:' : 'me:x:12345:12345::/nowhere/at/all:',
    );
    expect(ended.stdout).toContain(readFileSync('/etc/hosts', 'latin1'));
  });

  test('--root: user 0, and what only root may do is accepted', async () => {
    const script = `id -u; id -g; touch /f && chown 33:44 /f && chown -h 1:1 /f && echo chown
      mknod /null c 1 3 && echo mknod; mkfifo /fifo && test -p /fifo && echo fifo
      su -s /bin/sh -c 'echo su' root; cat /etc/apt/apt.conf.d/* 2>/dev/null`;
    const { stdout } = await start(['--root', '--rw'], script);
    const apt = uid === 0 ? '' : 'APT::Sandbox::User "root";\n';
    expect(stdout).toBe(`0\n0\nchown\nmknod\nfifo\nsu\n${apt}`);
  });

  test('--root keeps capabilities of the user namespace', async () => {
    const { stdout } = await start(['--root'], 'mount -t tmpfs x /tmp && echo mounted');
    expect(stdout).toBe('mounted\n');
  });

  test('without --root nothing is faked', async () => {
    const ended = await start(['--rw'], 'touch /f && chown 33:44 /f');
    expect(ended.status === 0).toBe(uid === 0);
  });

  test('the umask is the caller’s, mount points are for everybody', async () => {
    const ended = await launch(
      [
        'sh',
        '-c',
        'umask 077; exec "$@"',
        'sh',
        ...[
          ...prefix,
          bench.launcher,
          'installed',
          '0',
          bundle,
          '--mode',
          tier,
          '-m',
          'tmpfs:/made/by/us',
        ],
        ...['sh', '-c', 'umask; stat -c %a /made/by'],
      ],
      { TMPDIR: bench.scratch },
    ).ended;
    expect(ended.stdout).toBe('0077\n755\n');
  });

  test('on an older kernel', async () => {
    const calls = ['openat2', 'mount_setattr', 'pidfd_open', 'close_range'];
    const denied = calls.map((call) => `${call}=38`);
    const ended = await launch(
      [
        ...[
          ...prefix,
          without,
          ...denied,
          '--',
          bench.launcher,
          'installed',
          '0',
          bundle,
          '--mode',
          tier,
        ],
        ...['sh', '-c', 'touch /x; ls / | wc -l; cat /etc/hosts'],
      ],
      { TMPDIR: bench.scratch },
    ).ended;
    expect(ended.stderr).toContain('Read-only');
    expect(ended.stdout).toBe(`10\n${readFileSync('/etc/hosts', 'latin1')}`);
  });

  test('where the root cannot be pivoted', async () => {
    const ended = await launch(
      [
        ...[
          ...prefix,
          without,
          'pivot_root=22',
          '--',
          bench.launcher,
          'installed',
          '0',
          bundle,
          '--mode',
          tier,
        ],
        ...['sh', '-c', 'touch /x; ls / | wc -l; pwd; cd ..; pwd'],
      ],
      { TMPDIR: bench.scratch },
    ).ended;
    expect(ended.stderr).toContain('Read-only');
    expect(ended.stdout).toBe('10\n/\n/\n');
  });

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

  test('--rc from a file and from a pipe takes the place of /etc/rc', async () => {
    const rc = join(bench.directory, `rc-${uid}`);
    writeFileSync(rc, 'echo "rc: $*"\n');
    const words = [bench.launcher, 'installed', '0', bundle, '--mode', tier, '--rc'];
    const environment = { TMPDIR: bench.scratch };
    const plain = await launch([...prefix, ...words, rc, 'a', 'b'], environment).ended;
    expect(plain).toMatchObject({ status: 0, stdout: 'rc: a b\n' });
    const script = 'cat "$1" | { shift; exec "$@"; }';
    const piped = await launch(
      [...prefix, 'sh', '-c', script, 'sh', rc, ...words, '/dev/stdin', 'c'],
      environment,
    ).ended;
    expect(piped).toMatchObject({ status: 0, stdout: 'rc: c\n' });
  });
});

test('supplementary groups stay effective', async () => {
  const directory = mkdtempSync(join(bench.directory, 'group-'));
  chownSync(directory, 0, 54321);
  chmodSync(directory, 0o770);
  const words = ['--reuid', '12345', '--regid', '12345', '--groups', '54321'];
  const ended = await launch(
    [
      ...['setpriv', ...words, bench.launcher, 'installed', '0', bundle],
      ...['-m', `${directory}:/mnt`, 'sh', '-c', 'touch /mnt/x && echo written'],
    ],
    { TMPDIR: bench.scratch },
  ).ended;
  expect(ended.stdout).toBe('written\n');
});

describe('where user namespaces are refused', () => {
  const refused = (denied: string, ...prefix: string[]) =>
    launch(
      [
        ...['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups', ...prefix],
        ...[without, denied, '--', bench.launcher, 'installed', '0', bundle, 'true'],
      ],
      { TMPDIR: bench.scratch },
    ).ended;

  test.each([
    ['userns=1', 'Operation not permitted', /seccomp/],
    ['userns=28', 'No space left on device', /user\.max_user_namespaces/],
    ['userns=22', 'Invalid argument', /CONFIG_USER_NS|WSL/],
  ])('%s', async (denied, reason, remedy) => {
    const ended = await refused(denied);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain(`entering a user namespace: ${reason}`);
    expect(ended.stderr).toMatch(remedy);
  });

  test('root needs none', async () => {
    const ended = await launch(
      [without, 'userns=1', '--', bench.launcher, 'installed', '0', bundle, 'echo', 'on'],
      { TMPDIR: bench.scratch },
    ).ended;
    expect(ended).toMatchObject({ status: 0, stdout: 'on\n' });
  });

  test('root without CAP_SYS_ADMIN uses one', async () => {
    const script = 'id -u; cat /proc/self/uid_map; chown 5:5 /tmp && echo ok';
    const ended = await launch(
      [
        ...['setpriv', '--bounding-set', '-sys_admin', '--inh-caps', '-sys_admin'],
        ...[bench.launcher, 'installed', '0', bundle, 'sh', '-c', script],
      ],
      { TMPDIR: bench.scratch },
    ).ended;
    expect(ended.stdout).toMatch(/^0\n\s+0\s+0\s+1\nok\n$/);
  });
});
