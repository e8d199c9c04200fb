import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { callers, until } from '../launcher/support/workbench.js';
import { bench, expectMet, found, inside, near, type Situation } from './support/needy-bundle.js';

describe('control groups', () => {
  test('the memory limit of a real one', async () => {
    const first = '/sys/fs/cgroup/memory/memory.limit_in_bytes';
    const second = '/sys/fs/cgroup/cgroup.controllers';
    const version1 = existsSync(first);
    if (!version1) expect(readFileSync(second, 'utf8')).toContain('memory');
    const group = `${version1 ? '/sys/fs/cgroup/memory' : '/sys/fs/cgroup'}/rundle-test-${process.pid}`;
    mkdirSync(join(group, 'inner'), { recursive: true });
    try {
      const limit = version1 ? 'memory.limit_in_bytes' : 'memory.max';
      writeFileSync(join(group, limit), String(256 * 1024 * 1024));
      const enter = `echo $$ > ${group}/inner/cgroup.procs`;
      for (const { prefix } of callers) {
        const limited = { prefix: ['sh', '-ec', `${enter}\nexec "$@"`, 'sh', ...prefix] };
        await expectMet('memory>=256M', limited);
        expect(await found('memory>=257M', limited)).toBe(
          '256 MiB, the limit of its control group',
        );
      }
    } finally {
      // What serves a payload ends a little after its program.
      const inner = join(group, 'inner');
      await until('an empty group', () => readFileSync(join(inner, 'cgroup.procs'), 'utf8') === '');
      for (const directory of [inner, group]) rmdirSync(directory);
    }
  });

  const fakes = join(bench.directory, 'cgroup');

  /** A /sys/fs/cgroup with these files, and these lines in /proc/self/cgroup. */
  function fake(lines: string, files: Record<string, string>): Situation {
    rmSync(fakes, { recursive: true, force: true });
    for (const [name, content] of Object.entries({ ...files, '../cgroup.lines': lines })) {
      mkdirSync(join(fakes, name, '..'), { recursive: true });
      writeFileSync(join(fakes, name), content);
    }
    const script = `mount --bind ${bench.directory}/cgroup.lines /proc/$$/cgroup
      mount --bind ${fakes} /sys/fs/cgroup`;
    return { prefix: inside(script), options: ['--mode', 'extract'] };
  }
  const limit = ', the limit of its control group';

  test.each([
    ['version 2', '0::/job/step\n', { 'job/step/memory.max': '1073741824\n' }, '1 GiB'],
    [
      'one above',
      '0::/job/step\n',
      { 'job/step/memory.max': 'max\n', 'job/memory.max': '1048576\n' },
      '1 MiB',
    ],
    [
      'the least of all',
      '0::/a/b\n',
      { 'a/b/memory.max': '4194304\n', 'a/memory.max': '2097152\n', 'memory.max': '8388608\n' },
      '2 MiB',
    ],
    [
      'version 1',
      '9:cpu,cpuacct:/x\n4:memory:/slurm/uid_1\n0::/y\n',
      {
        'memory/slurm/uid_1/memory.limit_in_bytes': '9223372036854771712\n',
        'memory/slurm/memory.limit_in_bytes': '536870912\n',
      },
      '512 MiB',
    ],
    [
      'a container that sees the path of the host',
      '4:memory:/docker/0123\n',
      { 'memory/memory.limit_in_bytes': '104857600\n' },
      '100 MiB',
    ],
  ])('memory: %s', async (_, lines, files, text) => {
    expect(await found('memory>=8000T', fake(lines, files))).toBe(`${text}${limit}`);
  });

  test.each([
    ['without a limit', '0::/job\n', { 'job/memory.max': 'max\n' }],
    ['with more than there is', '0::/job\n', { 'job/memory.max': '9007199254740991\n' }],
    ['that are not there', '', {}],
    [
      'that cannot be understood',
      'x\n::\n0:\n0::job\n:::::/\n4:memory\n0::/../../etc\n',
      { 'memory.max': 'x\n' },
    ],
  ])('memory: groups %s', async (_, lines, files) => {
    near(totalmem(), await found('memory>=8000T', fake(lines, { keep: '', ...files })));
  });

  test.each([
    ['version 2', '0::/job\n', { 'job/cpu.max': '150000 100000\n' }, `1${limit}`],
    ['less than one', '0::/job\n', { 'job/cpu.max': '50000 100000\n' }, `1${limit}`],
    ['none', '0::/job\n', { 'job/cpu.max': 'max 100000\n' }, String(cpus().length)],
    [
      'version 1',
      '5:cpuset:/\n3:cpuacct,cpu:/job\n',
      {
        'cpu/job/cpu.cfs_quota_us': '-1\n',
        'cpu/job/cpu.cfs_period_us': '100000\n',
        'cpu/cpu.cfs_quota_us': '100000\n',
        'cpu/cpu.cfs_period_us': '100000\n',
      },
      `1${limit}`,
    ],
    ['a period of 0', '0::/job\n', { 'job/cpu.max': '100000 0\n' }, String(cpus().length)],
  ])('CPUs: %s', async (_, lines, files, text) => {
    expect(await found('cpus>=100000', fake(lines, files))).toBe(text);
  });
});
