import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runAs } from './support/profile.js';
import { build, makeWorkplace, rundle, type Workplace } from './support/workplace.js';

/** What `rundle hosts` makes of reports that real bundles print under conditions like those of different nodes. */

let place: Workplace;
let bundle: string;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(join(rootfs, 'bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--cmd', '["/bin/busybox", "true"]');
});
afterAll(() => place.remove());

const WITHOUT_FUSE = 'mount --bind /dev/null /dev/fuse';

/** What a node prints: its host name is `name`, `first` is done before, `job` is in its environment. */
async function reportOf(
  name: string,
  first = 'true',
  options: readonly string[] = [],
  job: Record<string, string> = {},
): Promise<string> {
  const script = 'hostname "$1" && eval "$2" && shift 2 && exec "$@"';
  const command = [bundle, '--verify', '--json', ...options];
  const { stdout } = await runAs(
    root,
    ['unshare', '--mount', '--uts', 'sh', '-c', script, 'sh', name, first, ...command],
    { env: { PATH: process.env.PATH, TMPDIR: place.scratch, ...job } },
  );
  return Buffer.from(stdout, 'latin1').toString();
}

async function hosts(input: string, ...options: string[]) {
  const outcome = await runAs(root, [...rundle, 'hosts', '--json', ...options], { input });
  expect(outcome.stderr).toBe('');
  return { status: outcome.status, ...JSON.parse(outcome.stdout) };
}

/** Streams of pieces, mixed one by one. */
function mixed(streams: readonly (readonly string[])[]): string {
  const length = Math.max(...streams.map((pieces) => pieces.length));
  return Array.from({ length }, (_, i) => streams.map((pieces) => pieces[i] ?? '').join('')).join(
    '',
  );
}

const groups = [
  { verdict: 'best', tier: 'mount', range: 'n[01-02]' },
  { verdict: 'lesser', tier: 'extract', range: 'n03' },
  { verdict: 'none', tier: null, range: 'n04' },
];

describe('reports of nodes', () => {
  it('are one line each, which srun -l and mpirun cut in pieces', async () => {
    const reports = [
      await reportOf('n01'),
      await reportOf('n02'),
      await reportOf('n03', WITHOUT_FUSE),
      await reportOf('n04', WITHOUT_FUSE, ['--mode', 'mount']),
    ];
    for (const report of reports) expect(report).toMatch(/^[^\n]{2000,}\n$/);
    const pieces = reports.map((report, i) =>
      (report.trimEnd().match(/.{1,1024}/g) ?? []).map((piece) => `${i}: ${piece}\n`),
    );
    const found = await hosts(`srun: warning\n${mixed(pieces)}`, '--nodes', 'n[01-05]');
    expect(found).toMatchObject({ status: 1, groups, nodes: { missingNames: ['n05'] } });
    const different = found.differences.map(({ name }: { name: string }) => name);
    expect(different).toContain('tier mount');
    expect(different).not.toContain('kernel');
    expect(found.shortfalls[0].reason).toMatch(/FUSE|fuse/);
    expect(found.shortfalls.flatMap(({ remedy }: { remedy: string[] }) => remedy)).not.toEqual([]);
  });

  it('are short lines within a job, which say themselves whose they are', async () => {
    const job = (node: string) => ({
      SLURM_JOB_ID: '17',
      SLURMD_NODENAME: node,
      SLURM_PROCID: '0',
    });
    const reports = [
      await reportOf('a', 'true', [], job('n01')),
      await reportOf('b', 'true', [], job('n02')),
      await reportOf('c', WITHOUT_FUSE, [], job('n03')),
      await reportOf('d', WITHOUT_FUSE, ['--mode', 'mount'], job('n04')),
    ];
    const lines = reports.map((report) => report.match(/.*\n/g) ?? []);
    for (const line of lines.flat()) {
      expect(line).toMatch(/^\{"at":"[abcd]\/\d+",/);
      expect(Buffer.byteLength(line)).toBeLessThanOrEqual(1024);
    }
    for (const report of reports) expect(JSON.parse(report)).toHaveProperty('schema', 1);
    expect(await hosts(mixed(lines))).toMatchObject({ status: 1, reports: 4, groups });
  });
});
