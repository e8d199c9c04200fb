import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bare, bench, bundle, starter, without } from './support/container.js';
import { callersAndTiers, launch } from './support/workbench.js';

describe.each(callersAndTiers)('the container, as $caller, tier $tier', ({ uid, prefix, tier }) => {
  const { start } = starter(prefix, tier);

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

  test.each(['22', '1'])('where the root cannot be pivoted: %s', async (error) => {
    const ended = await launch(
      [
        ...[
          ...prefix,
          without,
          `pivot_root=${error}`,
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
