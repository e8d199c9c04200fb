import { describe, expect, test } from 'vitest';
import { hostFuse, privateDevices } from '../e2e/support/devices.js';
import {
  prepared,
  refuse,
  refuseMount,
  told,
  type Verified,
  verify,
  without,
} from './support/verified.js';
import { asUser } from './support/workbench.js';

/** The result, value and remedies of one check where a script has prepared a mount namespace. */
async function checked(id: string, script: string, words: readonly string[] = []) {
  const { check } = await verify({ words: [...prepared(script), ...words] });
  return check(id);
}

/** The same where system calls are refused. */
async function refused(id: string, rule: string, words: readonly string[] = []) {
  const verified = await verify({ words: [refuse, rule, '--', ...words] });
  return { ...verified.check(id), tier: verified.report.tier };
}

/** With FUSE, so that the tier is the best one. */
const devices = (more: string) => privateDevices(`${hostFuse} ${more}`);

/** A /proc/sys/kernel with these files alone. */
const sysctls = (files: Record<string, string>) => `
  mount -t tmpfs -o mode=0755 tmpfs /proc/sys/kernel
  ${Object.entries(files)
    .map(([name, text]) => `echo '${text}' >/proc/sys/kernel/${name}`)
    .join('\n')}`;

describe('here, where all is well', () => {
  const seen: { verified?: Verified } = {};
  const here = async () => (seen.verified ??= await verify({ words: asUser }));

  test.each([
    'kernel',
    'architecture',
    'payload',
    'launcher-directory',
    'user-namespaces',
    'nesting',
    'mounts',
    'pivot-root',
    'fuse',
    'overlay',
    'proc',
    'seccomp',
    'ptrace',
    'memfd',
    'directories',
  ])('%s passes, without a remedy', async (id) => {
    expect((await here()).check(id)).toMatchObject({ result: 'pass', remedy: [] });
  });

  test.each(['job', 'cpu', 'selinux', 'cgroup', 'gpu-nvidia', 'gpu-amd', 'wsl-gpu', 'fabric'])(
    '%s is worth knowing, and no fault',
    async (id) => {
      expect((await here()).check(id)).toMatchObject({ result: 'info', remedy: [] });
    },
  );
});

describe('what containers are made of', () => {
  test.each([
    ['user-namespaces', 'unshare=28', 'sudo sysctl -w user.max_user_namespaces=15000'],
    ['user-namespaces', 'unshare=22', 'user_namespace.enable=1'],
    ['user-namespaces', 'mount=1', ''],
  ])('%s fails with %s, and no tier is left', async (id, rule, remedy) => {
    const found = await refused(id, rule, asUser);
    expect(found).toMatchObject({ tier: null, result: 'fail', value: 'no' });
    expect(found.remedy.join('\n')).toContain(remedy);
  });

  test.each([
    ['tmpfs', 'mounts', null],
    ['overlay', 'overlay', 'mount'],
  ])('%s cannot be mounted', async (type, id, tier) => {
    const { check, report } = await verify({ words: [refuseMount, type, '19', ...asUser] });
    expect(report.tier).toBe(tier);
    expect(check(id)).toMatchObject({ value: 'no', result: tier === null ? 'fail' : 'info' });
    expect(check(id).detail).toContain('No such device');
  });

  test('a root that is to be writable needs an overlay in tier mount', async () => {
    const words = [refuseMount, 'overlay', '19', ...asUser];
    const { check, report } = await verify({ words }, '--rw');
    expect(report.tier).toBe('extract');
    expect(check('overlay').result).toBe('warn');
  });

  test('a root directory that cannot be changed leaves no tier', async () => {
    const words = [without, 'pivot_root=1', 'chroot=1', '--', ...asUser];
    const { check, report } = await verify({ words });
    expect(report.tier).toBeNull();
    expect(check('pivot-root')).toMatchObject({ result: 'fail', value: 'no' });
    expect((await refused('pivot-root', 'pivot_root=1')).tier).toBe('mount');
  });

  test('a limit on nesting is no fault', async () => {
    const words = [
      ...['unshare', '--user', '--map-root-user', 'sh', '-euc'],
      'echo 1 >/proc/sys/user/max_user_namespaces; exec "$@"',
      'sh',
    ];
    const { check } = await verify({ words });
    expect(check('nesting')).toMatchObject({ result: 'info', value: 'no' });
  });

  test.each([
    ['is missing', devices('umount /mnt/fuse; rm /mnt/fuse'), 'No such file'],
    [
      'is closed',
      devices('umount /mnt/fuse; rm /mnt/fuse; mknod -m 600 /mnt/fuse c 10 229'),
      'Permission',
    ],
    ['is another device', 'mount --bind /dev/null /dev/fuse', 'Invalid argument'],
  ])('/dev/fuse %s', async (_what, script, reason) => {
    const { check, report } = await verify({ words: [...prepared(script), ...asUser] });
    expect(check('fuse')).toMatchObject({ result: 'warn', value: 'no' });
    expect(check('fuse').detail).toContain(reason);
    expect(report).toMatchObject({ tier: 'extract', verdict: 'lesser' });
    expect(report.tiers[0]?.reason).toContain(reason);
    expect(report.tiers[0]?.remedy).toEqual(check('fuse').remedy);
  });

  test('a closed /dev/fuse is opened by chmod', async () => {
    const script = devices('umount /mnt/fuse; rm /mnt/fuse; mknod -m 600 /mnt/fuse c 10 229');
    expect((await checked('fuse', script, asUser)).remedy).toEqual(['sudo chmod 666 /dev/fuse']);
  });

  test('/proc hides processes of others', async () => {
    const words = [
      ...['unshare', '-mpf', '--mount-proc', 'sh', '-euc'],
      'mount -o remount,hidepid=2 /proc; "$@"',
      'sh',
      ...asUser,
    ];
    const { check } = await verify({ words });
    expect(check('proc').value).toMatch(/^hidden/);
    expect(check('proc').result).not.toBe('fail');
  });
});

describe('policies', () => {
  test.each([
    ['ptrace', 'ptrace=1', 'info'],
    ['seccomp', 'seccomp=22', 'info'],
    ['memfd', 'memfd_create=1', 'info'],
  ])('%s does not work, which the best tier does not need', async (id, rule, result) => {
    expect(await refused(id, rule)).toMatchObject({
      tier: 'mount',
      value: expect.stringMatching(/^no/),
      result,
    });
  });

  test('a filter that is in force is told', async () => {
    expect((await refused('seccomp', 'memfd_create=1')).value).toContain('filtered');
  });

  test('Ubuntu 24.04: AppArmor restricts user namespaces', async () => {
    const script = `
      ${sysctls({ apparmor_restrict_unprivileged_userns: '1' })}
      mount -t tmpfs tmpfs /sys/module
      mkdir -p /sys/module/apparmor/parameters
      echo Y >/sys/module/apparmor/parameters/enabled`;
    const words = [...prepared(script), refuse, 'unshare=13', '--', ...asUser];
    const { check, report } = await verify({ words });
    expect(check('apparmor').result).toBe('warn');
    expect(check('apparmor').value).toContain('restricts');
    expect(check('apparmor').remedy.join()).toMatch(/^sudo \S+ --setup-host$/);
    expect(check('user-namespaces').detail).toContain('apparmor_restrict_unprivileged_userns=1');
    expect(report.tiers[0]?.remedy).toEqual([
      expect.stringMatching(/--setup-host$/),
      'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
    ]);
    const allowed = await verify({ words: [...prepared(script), ...asUser] });
    expect(allowed.check('apparmor')).toMatchObject({ result: 'pass' });
  });

  test("Debian's old switch", async () => {
    const words = [
      ...prepared(sysctls({ unprivileged_userns_clone: '0' })),
      refuse,
      'unshare=1',
      '--',
      ...asUser,
    ];
    const { check } = await verify({ words });
    expect(check('user-namespaces').remedy).toEqual([
      'sudo sysctl -w kernel.unprivileged_userns_clone=1',
    ]);
  });

  test('SELinux is enforcing', async () => {
    const script =
      'mount -t tmpfs tmpfs /sys/fs; mkdir /sys/fs/selinux; echo 1 >/sys/fs/selinux/enforce';
    expect((await checked('selinux', script)).value).toMatch(/^enforcing/);
  });

  test('Yama keeps ranks from copying', async () => {
    const script = `${sysctls({})}
      mkdir /proc/sys/kernel/yama
      echo 1 >/proc/sys/kernel/yama/ptrace_scope`;
    expect((await checked('yama', script)).detail).toContain('ptrace_scope is 1');
  });
});

describe('the machine', () => {
  const surroundings = async (environment: Record<string, string>, script = ':') =>
    await verify({ environment, words: prepared(script) });

  test.each([
    [
      { SLURM_JOB_ID: '7', SLURMD_NODENAME: 'n1', SLURM_PROCID: '3' },
      { manager: 'slurm', id: '7', node: 'n1', rank: '3' },
    ],
    [
      { PBS_JOBID: '8.pbs', PMI_RANK: '4' },
      { manager: 'pbs', id: '8.pbs', node: null, rank: '4' },
    ],
    [
      { LSB_JOBID: '9', PMIX_RANK: '5' },
      { manager: 'lsf', id: '9', node: null, rank: '5' },
    ],
    [
      { FLUX_JOB_ID: 'f1', FLUX_TASK_RANK: '6' },
      { manager: 'flux', id: 'f1', node: null, rank: '6' },
    ],
  ])('%j is a job', async (environment, job) => {
    const { check, report } = await surroundings(environment);
    expect(report.host.job).toEqual(job);
    expect(check('job').value).toBe(job.manager);
  });

  test('Kubernetes, and WSL 2', async () => {
    const pod = await surroundings({ KUBERNETES_SERVICE_HOST: '10.0.0.1' });
    expect(pod.report.host).toMatchObject({ kind: 'container', container: 'kubernetes' });
    const windows = await surroundings({}, 'mount -t tmpfs tmpfs /run; mkdir /run/WSL');
    expect(windows.check('host-kind').value).toMatch(/^wsl2/);
  });

  test('a launcher that root has installed, and one that others may write', async () => {
    const install = (mode: string) => `
      mount -t tmpfs -o mode=0755 tmpfs /usr/local
      mkdir -p /usr/local/libexec/rundle
      cp "$1" /usr/local/libexec/rundle/launcher-1
      chmod ${mode} /usr/local/libexec/rundle/launcher-1`;
    const launcher = async (mode: string) => {
      return await checked('launcher-installed', install(mode).replace('"$1"', '"$PWD/launcher"'));
    };
    expect(await launcher('755')).toMatchObject({ result: 'pass', value: 'installed' });
    const open = await launcher('775');
    expect(open).toMatchObject({ result: 'warn', value: 'unusable' });
    expect(open.remedy.join()).toContain('--setup-host');
  });
});

describe('room and limits', () => {
  test.each([
    ['size=32m,mode=1777', 'tmpfs 1777 32M', 'size'],
    ['size=512m,mode=0755', 'tmpfs 755 512M', 'sudo chmod 1777 /dev/shm'],
  ])('/dev/shm with %s', async (options, value, remedy) => {
    const found = await checked('shm', `mount -t tmpfs -o ${options} tmpfs /dev/shm`);
    expect(found).toMatchObject({ result: 'warn', value });
    expect(found.remedy.join()).toContain(remedy);
  });

  test.each([
    ['--nofile=256:4096', 'nofile=256', 'ulimit -S -n 4096'],
    ['--nofile=256:256', 'nofile=256', "echo '* - nofile 65536' | sudo tee"],
    ['--stack=524288:8388608', 'stack=512K', 'ulimit -S -s 8192K'],
    ['--as=8000000000:8000000000', 'as=7812500K', "echo '* - as unlimited'"],
  ])('prlimit %s', async (limit, value, remedy) => {
    const { check } = await verify({ words: ['prlimit', limit] });
    expect(check('rlimits').result).toBe('warn');
    expect(check('rlimits').value).toContain(value);
    expect(check('rlimits').remedy.join()).toContain(remedy);
  });

  test('the least of the directories is named with its file system', async () => {
    const words = prepared('mount -t tmpfs -o noexec,mode=1777 tmpfs /var/tmp');
    const { check } = await verify({ words, environment: { TMPDIR: '/var/tmp' } });
    expect(check('directories').detail).toMatch(/^\/tmp can execute.*\/var\/tmp \(tmpfs.*noexec\)/);
  });

  test('a limit on processes', async () => {
    const group = (most: number) => `
      mount -t tmpfs tmpfs /sys/fs/cgroup
      echo pids >/sys/fs/cgroup/cgroup.controllers
      echo ${most} >/sys/fs/cgroup/pids.max
      echo 90 >/sys/fs/cgroup/pids.current`;
    expect(await checked('cgroup', group(100))).toMatchObject({ result: 'warn' });
    const found = await checked('cgroup', group(1000));
    expect(found).toMatchObject({ result: 'info', value: expect.stringContaining('v2 pids=1000') });
  });
});

describe('devices', () => {
  const nodes = (mode: string, ...paths: string[]) =>
    paths
      .map((path) => `mkdir -p "$(dirname /mnt/${path})"; mknod -m ${mode} /mnt/${path} c 1 3`)
      .join('\n');
  const driver = `
    mount -t tmpfs tmpfs /proc/driver
    mkdir /proc/driver/nvidia
    echo 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 2024' >/proc/driver/nvidia/version`;
  const nvidia = ['nvidia0', 'nvidia1', 'nvidiactl', 'nvidia-uvm'];

  test('NVIDIA: all of them, closed ones, missing ones', async () => {
    const good = await checked('gpu-nvidia', driver + devices(nodes('666', ...nvidia)), asUser);
    expect(good).toMatchObject({ result: 'pass', value: '2, driver 550.54.14', remedy: [] });
    const closed = await checked('gpu-nvidia', driver + devices(nodes('600', ...nvidia)), asUser);
    expect(closed).toMatchObject({ result: 'warn', value: '2, driver 550.54.14, 0 of 2 usable' });
    expect(closed.remedy.join()).toContain('usermod -aG video');
    const missing = await checked('gpu-nvidia', driver + devices(nodes('666', 'nvidia0')), asUser);
    expect(missing).toMatchObject({ result: 'warn', remedy: ['sudo nvidia-modprobe -u -c=0'] });
  });

  test('in a job of Slurm a closed GPU is asked for', async () => {
    const { check } = await verify({
      words: [...prepared(driver + devices(nodes('600', ...nvidia))), ...asUser],
      environment: { SLURM_JOB_ID: '1' },
    });
    expect(check('gpu-nvidia').remedy.join()).toMatch(/^srun --gres=gpu:1 /);
  });

  test.each([
    ['gpu-amd', ['kfd', 'dri/renderD128', 'dri/renderD129'], '2'],
    ['wsl-gpu', ['dxg'], 'dxg without libraries'],
    [
      'fabric',
      ['infiniband/uverbs0', 'infiniband/rdma_cm', 'xpmem'],
      'InfiniBand=1 rdma_cm=1 xpmem=1',
    ],
    ['fabric', ['cxi0', 'cxi1'], 'Slingshot=2'],
    ['fabric', ['hfi1_0', 'knem'], 'Omni-Path=1 knem=1'],
  ])('%s: %j', async (id, paths, value) => {
    const good = await checked(id, devices(nodes('666', ...paths)), asUser);
    expect(good.value).toBe(value);
    expect(good.result).toBe(id === 'wsl-gpu' ? 'warn' : 'pass');
    const closed = await checked(id, devices(nodes('600', ...paths)), asUser);
    expect(closed.result).toBe('warn');
    expect(closed.remedy.join()).toContain('usermod');
  });

  test('a fabric wants locked memory', async () => {
    const script = devices(nodes('666', 'infiniband/uverbs0'));
    const words = [...prepared(script), 'prlimit', '--memlock=65536:65536'];
    const { check } = await verify({ words });
    expect(check('rlimits').remedy.join()).toContain('memlock unlimited');
    const { stdout } = await told({ words });
    expect(stdout).toMatch(/^ {2}ok +fabric +1 InfiniBand$/m);
  });
});
