import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, makeRootfs, makeWorkplace, type Workplace } from '../e2e/support/workplace.js';
import { apparmorFiles, apparmorParameters } from './apparmor.js';
import { boot, noble } from './boot.js';
import { file } from './cpio.js';

let place: Workplace;
let bundle: Buffer;

// Part of `npm run test:kernels`, as it needs Ubuntu's kernel.
beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  build(`dir:${rootfs}`, join(place.directory, 'x.run'), '--env', 'PATH=/bin');
  bundle = readFileSync(join(place.directory, 'x.run'));
});

afterAll(() => place?.remove());

test.runIf(process.env.RUNDLE_TEST_KERNELS === 'all')(
  '--setup-host, where AppArmor restricts user namespaces as on Ubuntu 24.04',
  async () => {
    const { runs } = await boot({
      kernel: noble,
      append: [...apparmorParameters],
      files: [...apparmorFiles(noble), file('x.run', bundle, 0o755)],
      script: `
      apparmor_parser -r /etc/apparmor.d/unprivileged_userns
      echo 1 >/proc/sys/kernel/apparmor_restrict_unprivileged_userns
      run before user /x.run --mode mount true
      run setup root /x.run --setup-host --yes
      run label user /x.run --mode mount cat /proc/self/attr/current
      run capabilities user /x.run --mode mount grep -E '^Cap(Prm|Eff|Bnd)' /proc/self/status
      run unshare user /x.run --mode mount unshare -Ur true
      run namespaces user /x.run --mode mount --rw --pid --net --ipc --uts sh -c 'echo a >/b; cat /b; ip link show lo'
      run fake user /x.run --mode mount --root --rw sh -c 'id -u; touch /c; chown 5:6 /c; ls -ln /c'
      run extract user /x.run --mode extract -q cat /proc/self/attr/current
      run root root /x.run grep CapEff /proc/self/status
      run outside user unshare -Ur true
      run remove root /x.run --setup-host --remove --yes
      run profiles root cat /sys/kernel/security/apparmor/profiles
      run after user /x.run --mode mount true`,
    });
    const stdout = (name: string) => {
      const ended = runs.get(name);
      expect([name, ended?.stderr, ended?.status]).toEqual([name, '', 0]);
      return ended?.stdout ?? '';
    };
    const refusal = { status: 125, stderr: expect.stringContaining('sudo /x.run --setup-host') };
    expect(runs.get('before')).toMatchObject(refusal);
    expect(stdout('setup')).toContain('Tried as an ordinary user: bundles start in tier mount.\n');
    expect(stdout('label')).toBe('rundle-launcher//&rundle-program (enforce)\n');
    expect(stdout('capabilities').match(/\t0{16}\n/g)).toHaveLength(3);
    expect(runs.get('unshare')?.stderr).toContain('Permission denied');
    expect(stdout('namespaces')).toMatch(/^a\n1: lo: <LOOPBACK,UP/);
    expect(stdout('fake')).toMatch(/^0\n-rw-r--r-- +1 0 +0 /);
    expect(stdout('extract')).toBe('rundle-launcher//&rundle-program (enforce)\n');
    expect(stdout('root')).not.toMatch(/\t0{16}\n/);
    expect(runs.get('outside')?.status).not.toBe(0);
    stdout('remove');
    expect(stdout('profiles')).not.toContain('rundle');
    expect(runs.get('after')).toMatchObject(refusal);
  },
);
