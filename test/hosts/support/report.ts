import type { Report } from '#rundle/hosts/report.js';

type Check = Report['checks'][number];

/** A report of a host on which everything works, with what `changes` says. */
export function report(name: string, changes: Partial<Report> = {}): Report {
  return {
    schema: 1,
    rundle: '0.1.0',
    verdict: 'best',
    exitStatus: 0,
    tier: 'mount',
    bundle: { name: 'numpy', id: 'ab'.repeat(32), arch: ['x86_64'] },
    host: host(name),
    tiers: [
      { name: 'mount', works: true, reason: null, remedy: [] },
      { name: 'extract', works: true, reason: null, remedy: [] },
      { name: 'trace', works: true, reason: null, remedy: [] },
    ],
    requirements: [],
    checks: [
      check('kernel', { value: '6.1.0-40-amd64', detail: 'Linux 6.1.0-40-amd64, Debian 12' }),
      check('fuse', { group: 'Mounts', value: 'yes', detail: 'a FUSE mount works' }),
      check('shm', {
        group: 'Limits',
        value: 'tmpfs 1777 64M',
        detail: '/dev/shm has 61 MiB left',
      }),
    ],
    ...changes,
  };
}

/** The facts of a host. */
export function host(name: string, changes: Partial<Report['host']> = {}): Report['host'] {
  return {
    name,
    machine: 'x86_64',
    kernel: '6.1.0-40-amd64',
    distribution: 'Debian GNU/Linux 12 (bookworm)',
    kind: 'bare',
    container: null,
    job: null,
    cpu: 'AMD EPYC 7763',
    cpus: 128,
    memory: 540_000_000_000,
    uid: 1000,
    ...changes,
  };
}

/** A check, passed unless `changes` says otherwise. */
export function check(id: string, changes: Partial<Check> = {}): Check {
  return { id, group: 'Host', result: 'pass', detail: id, value: null, remedy: [], ...changes };
}

/** A report of a host without FUSE, which runs in tier extract. */
export function lesser(name: string): Report {
  const reason = 'opening /dev/fuse: No such file or directory';
  const remedy = ['sudo modprobe fuse'];
  const sound = report(name);
  return {
    ...sound,
    verdict: 'lesser',
    exitStatus: 2,
    tier: 'extract',
    tiers: [{ name: 'mount', works: false, reason, remedy }, ...sound.tiers.slice(1)],
    checks: [
      ...sound.checks.filter(({ id }) => id !== 'fuse'),
      check('fuse', { group: 'Mounts', result: 'fail', value: 'absent', detail: reason, remedy }),
    ],
  };
}

/** A report of a host that does not have what the bundle requires. */
export function unable(name: string): Report {
  return {
    ...report(name),
    verdict: 'none',
    exitStatus: 1,
    tier: null,
    requirements: [{ text: 'memory>=600G', met: false, found: '503 GiB', remedy: [] }],
  };
}
