import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { callers } from '../launcher/support/workbench.js';
import {
  architecture,
  bench,
  expectMet,
  found,
  inside,
  near,
  start,
} from './support/needy-bundle.js';

describe.each(callers)('on this host, started by $caller', ({ prefix }) => {
  const as = { prefix };

  test('kernel', async () => {
    const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(release()) ?? [];
    await expectMet(`kernel>=${major}.${minor}`, as);
    await expectMet(`kernel>=4.18,<${Number(major) + 1}`, as);
    expect(await found(`kernel>=${major}.${Number(minor) + 1}`, as)).toBe(`Linux ${release()}`);
    expect(await found(`kernel<${major}.${minor}`, as)).toBe(`Linux ${release()}`);
  });

  test('machine', async () => {
    const other = architecture === 'x86_64' ? 'aarch64' : 'x86_64';
    await expectMet(`arch=${architecture}`, as);
    expect(await found(`arch=${other}`, as)).toBe(architecture);
  });

  test.runIf(architecture === 'x86_64')('CPU features', async () => {
    const [, flags = ''] = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
    const has = flags.split(' ');
    const candidates = ['avx512_fp16', 'amx_tile', 'sse4a', 'avx512_bf16', 'avx_vnni'];
    const missing = candidates.filter((name) => !has.includes(name));
    expect(has).toContain('sse4_2');
    await expectMet('cpu=pni,sse4_2,x86-64-v2', as);
    expect(await found(`cpu=pni,${missing.join(',')},sse4_2`, as)).toBe(
      missing.map((name) => `no ${name}`).join(', '),
    );
  });

  test('CPUs, as far as this process may use them', async () => {
    const [first] = execFileSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' })
      .split(': ')[1]
      ?.split(/[-,\n]/) ?? ['0'];
    await expectMet('cpus>=1', as);
    expect(await found('cpus>=100000', as)).toBe(String(cpus().length));
    const pinned = { prefix: ['taskset', '-c', first ?? '0', ...prefix] };
    expect(await found('cpus>=2', pinned)).toBe('1');
  });

  test('memory', async () => {
    await expectMet(`memory>=${Math.floor(totalmem() / 1024 / 1024)}M`, as);
    near(totalmem(), await found('memory>=8000T', as));
  });

  test('space where temporary trees go', async () => {
    const { bavail, bsize } = statfsSync(bench.scratch);
    const text = await found('disk>=8000T', as);
    near(bavail * bsize, text);
    expect(text).toMatch(/ in \/\S+$/);
    await expectMet('disk>=1M', as);
    // The workbench, itself in /tmp, is shown again in the new one.
    const full = inside(
      `mount --bind ${bench.directory} /mnt
      mount -t tmpfs -o size=64m,mode=1777 most /tmp
      mkdir -p ${bench.directory} && mount --bind /mnt ${bench.directory}
      for d in ${bench.scratch} /var/tmp; do mount -t tmpfs -o size=8m,mode=1777 full $d; done`,
      ...prefix,
    );
    expect(await found('disk>=65M', { prefix: full })).toBe('64 MiB in /tmp');
    await expectMet('disk>=64M', { prefix: full });
  });

  test('space in /dev/shm', async () => {
    const { bavail, bsize } = statfsSync('/dev/shm');
    near(bavail * bsize, await found('shm>=8000T', as));
    await expectMet('shm>=1K', as);
    const small = inside('mount -t tmpfs -o size=32m,mode=1777 small /dev/shm', ...prefix);
    await expectMet('shm>=32M', { prefix: small });
    expect(await found('shm>=64M', { prefix: small })).toBe('32 MiB in /dev/shm');
  });

  test.each([
    ['nofile', '--nofile=500:1000', 'nofile>=500', 'nofile>=501', '500 (hard limit 1000)'],
    [
      'memlock',
      '--memlock=65536:131072',
      'memlock>=64K',
      'memlock=unlimited',
      '64 KiB (hard limit 128 KiB)',
    ],
    [
      'stack',
      '--stack=8388608:unlimited',
      'stack>=8M',
      'stack>=9M',
      '8 MiB (hard limit unlimited)',
    ],
    ['nproc', '--nproc=4000:5000', 'nproc>=4000', 'nproc=unlimited', '4000 (hard limit 5000)'],
  ])('limit %s', async (_, option, met, unmet, text) => {
    const limited = { prefix: ['prlimit', option, ...prefix] };
    await expectMet(met, limited);
    expect(await found(unmet, limited)).toBe(text);
  });
});

test('a limit that is unlimited', async () => {
  const free = { prefix: ['prlimit', '--stack=unlimited'] };
  await expectMet('stack=unlimited', free);
  await expectMet('stack>=8388607G', free);
});

describe('several requirements', () => {
  test('the first that is not met is named, the others are counted', async () => {
    const { status, stderr } = await start([
      'kernel>=4',
      'memory>=8000T',
      'cpus>=1',
      'kernel>=999',
    ]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/needs memory>=8000T, found: .* \(and 1 more that --verify lists\)\n/);
  });

  test('--ignore-requirements goes on, with one notice', async () => {
    const needs = ['memory>=8000T', 'kernel>=999', 'quantum>=2'];
    const ignored = await start(needs, { options: ['--ignore-requirements'] });
    expect(ignored).toMatchObject({ status: 0, stdout: '' });
    expect(ignored.stderr).toMatch(
      /^rundle: going on although the bundle needs memory>=8000T, found: .* \(and 2 more .*\)\n$/,
    );
    const quiet = await start(needs, { options: ['--ignore-requirements', '--quiet'] });
    expect(quiet).toMatchObject({ status: 0, stderr: '' });
  });

  test('one of a newer builder is refused, and the way out named', async () => {
    const { status, stderr } = await start(['kernel>=4', 'quantum>=2']);
    expect([status, stderr]).toEqual([
      125,
      "rundle: the bundle needs 'quantum>=2', which this launcher does not know\n" +
        '  a newer rundle made it: start it with its own launcher, or with --ignore-requirements\n',
    ]);
  });

  test('nothing is extracted, mounted or left before; --extract compares nothing', async () => {
    const target = join(bench.scratch, 'target');
    const refusal = await start(['kernel>=999'], { options: ['--target', target] });
    expect(refusal.status).toBe(125);
    expect(existsSync(target)).toBe(false);
    const extracted = await start(['kernel>=999'], {
      options: ['--extract', '--quiet', '--target', target],
    });
    expect(extracted).toMatchObject({ status: 0, stderr: '' });
    expect(existsSync(join(target, 'bin/true'))).toBe(true);
  });

  test('--info lists them', async () => {
    const { stdout } = await start(['kernel>=999', 'gpu'], { options: ['--info'] });
    expect(stdout).toMatch(/\nNeeds: {11}kernel>=999\n {17}gpu\n/);
    const json = await start(['kernel>=999', 'gpu'], { options: ['--info', '--json'] });
    expect(JSON.parse(json.stdout).require).toEqual(['kernel>=999', 'gpu']);
  });
});
