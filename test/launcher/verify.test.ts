import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bench, bundle, huge, packed, prepared, refuse, told, verify } from './support/verified.js';
import { asUser, callers, leftIn } from './support/workbench.js';

const mounts = () => readFileSync('/proc/self/mounts', 'utf8');
const fresh = (mode = 0o777) => {
  const directory = mkdtempSync(join(bench.directory, 'fresh-'));
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, 'home'), { mode });
  return directory;
};

/** Processes that belong to the launcher of these tests. */
const running = () =>
  readdirSync('/proc').filter((name) => {
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(bench.directory);
    } catch {
      return false;
    }
  });

describe.each(callers)('as $caller', ({ prefix, uid }) => {
  test('a bundle runs here in the best tier: one line of JSON', async () => {
    const { report, stdout, stderr } = await verify({ words: prefix });
    expect(stderr).toBe('');
    expect(stdout.indexOf('\n')).toBe(stdout.length - 1);
    expect(report).toMatchObject({ verdict: 'best', exitStatus: 0, tier: 'mount', schema: 1 });
    expect(report.host.uid).toBe(uid);
    expect(report.bundle.arch).toEqual([report.host.machine]);
    const works = Object.fromEntries(report.tiers.map((tier) => [tier.name, tier.works]));
    expect(works).toEqual({ mount: true, extract: true, trace: false });
    expect(report.tiers[2]?.reason).toContain('PRoot');
    expect(report.checks.filter(({ result }) => result === 'fail')).toEqual([]);
  });

  test('the text fits a screen, begins with the verdict and names what is wrong', async () => {
    const good = await told({ words: prefix });
    expect(good).toMatchObject({ status: 0, stderr: '' });
    expect(good.stdout).toMatch(/^bundle-\d runs here in the best way: .*mounted/);
    const bad = await told({ words: [refuse, 'unshare=1', '--', ...prefix] });
    expect(bad).toMatchObject({ status: 1, stderr: '' });
    expect(bad.stdout).toMatch(/^bundle-\d does not run here: entering a (user|mount) namespace/);
    expect(bad.stdout).toMatch(/^ {2}FAIL +user-namespaces /m);
    for (const { stdout } of [good, bad]) {
      const lines = stdout.split('\n');
      expect(lines.length).toBeLessThanOrEqual(40);
      const prose = lines.filter((line) => !/^ +(docker|podman|sudo|kubectl|TMPDIR)/.test(line));
      for (const line of prose) expect(line.length).toBeLessThanOrEqual(100);
    }
  });

  test('a command stands in the text once', async () => {
    const { stdout } = await told({
      words: [...prepared('mount --bind /dev/null /dev/fuse'), ...prefix],
      environment: { KUBERNETES_SERVICE_HOST: '' },
    });
    const lines = stdout.split('\n').map((line) => line.trim());
    const commands = lines.filter((line) => /^(sudo|docker|kubectl|TMPDIR)/.test(line));
    expect(new Set(commands).size).toBe(commands.length);
  });

  test('nothing is left, whatever is tried', async () => {
    const before = mounts();
    const place = fresh();
    const environment = { HOME: join(place, 'home'), TMPDIR: bench.scratch };
    mkdirSync(join(place, 'empty'), { mode: 0o777 });
    const names = readdirSync(place);
    for (const options of [
      [],
      ['--rw', '--pid'],
      ['--root'],
      ['--mode', 'extract'],
      ['--overlay', join(place, 'overlay')],
      ['--overlay', join(place, 'empty')],
      ['--target', join(place, 'a/b/tree')],
    ]) {
      await verify({ words: prefix, environment }, ...options);
      expect(readdirSync(place), options.join(' ')).toEqual(names);
      expect(readdirSync(join(place, 'empty'))).toEqual([]);
      expect(readdirSync(join(place, 'home'))).toEqual([]);
      expect(leftIn(bench.scratch)).toEqual([]);
      expect(running()).toEqual([]);
    }
    expect(mounts()).toBe(before);
  });

  test('without a directory for trees it is tier mount alone', async () => {
    const { report, check } = await verify({ words: prefix, path: huge });
    expect(report.tier).toBe('mount');
    expect(report.tiers[1]?.works).toBe(false);
    expect(check('directories')).toMatchObject({ result: 'warn', value: 'none' });
    expect(check('directories').remedy.join()).toMatch(/^TMPDIR=.* .*bundle-/);
    const { report: forced } = await verify({ words: prefix, path: huge }, '--mode', 'extract');
    expect(forced.verdict).toBe('none');
    expect(forced.tiers[1]?.reason).toContain('no directory can hold the tree');
  });

  test('closed descriptors are no hindrance', async () => {
    const { report } = await verify({
      words: [...prefix, 'sh', '-c', 'exec "$@" <&- 2>&-', 'sh'],
    });
    expect(report.verdict).toBe('best');
  });
});

describe('the verdict follows the options', () => {
  test.each([
    [['--mode', 'mount'], 'mount'],
    [['--mode', 'extract'], 'extract'],
    [['--mode', 'trace'], null],
    [['--keep'], 'extract'],
    [['--target', '/tmp/rundle-verify-none/tree'], 'extract'],
    [['--mode', 'mount', '--keep'], null],
    [['--rw'], 'mount'],
    [['--overlay', '/proc/nowhere'], null],
    [['--mount', '/nonexistent:/opt'], null],
    [['--conf', '/nonexistent'], null],
  ])('%j: %s', async (options, tier) => {
    const { report } = await verify({}, ...options);
    expect(report.tier).toBe(tier);
    expect(report.verdict).toBe(tier === null ? 'none' : tier === 'mount' ? 'best' : 'lesser');
    for (const { works, reason } of report.tiers) expect(works).toBe(reason === null);
  });

  test('and the settings', async () => {
    const path = '/proc/nowhere';
    const temporary = await verify({ environment: { ENROOT_TEMP_PATH: bench.directory } });
    expect(temporary.check('directories').detail).toContain(`${bench.directory} can execute`);
    const wrong = await verify({ environment: { ENROOT_ROOTFS_WRITABLE: 'perhaps' } });
    expect(wrong.report.verdict).toBe('none');
    expect(wrong.report.tiers[0]?.reason).toContain('perhaps');
    const other = await verify({ environment: { TMPDIR: path } });
    expect(other.check('directories').detail).toMatch(/^\/tmp can execute/);
  });

  test('an overlay of somebody else is no way to start', async () => {
    const place = fresh();
    const used = await verify({ words: asUser }, '--overlay', place);
    expect(used.report.tier).toBeNull();
    expect(used.report.tiers[0]?.reason).toContain('belongs to somebody else');
  });
});

describe('requirements', () => {
  test('that are met', async () => {
    const { report } = await verify({ path: packed('require=kernel>=3.10') });
    expect(report.verdict).toBe('best');
    expect(report.requirements).toMatchObject([{ text: 'kernel>=3.10', met: true, remedy: [] }]);
  });

  test('that are not met, and are ignored', async () => {
    const path = packed('require=kernel>=99.1', 'require=kernel>=3.10');
    const { report } = await verify({ path });
    expect(report).toMatchObject({ verdict: 'none', tier: null });
    expect(report.requirements.map(({ met }) => met)).toEqual([false, true]);
    const text = await told({ path });
    expect(text.status).toBe(1);
    expect(text.stdout).toMatch(/^ {2}FAIL +kernel>=99\.1 +not met: /m);
    expect((await verify({ path }, '--ignore-requirements')).report.verdict).toBe('best');
  });

  test('that this launcher does not understand are not met', async () => {
    const { report } = await verify({ path: packed('require=teapot>=1') });
    expect(report.verdict).toBe('none');
    expect(report.requirements[0]?.found).toContain('teapot');
  });
});

test('what comes from the bundle and the environment cannot steer the terminal', async () => {
  const environment = { SLURM_JOB_ID: '\x1b[31m7', SLURM_PROCID: 'x'.repeat(5000) };
  const { stdout } = await told({ environment });
  expect(stdout).toContain('\\x1b[31m7');
  expect(stdout).not.toContain('\x1b');
  expect((await verify({ environment })).report.host.job?.rank?.length).toBe(255);
});

test('the README has the id of every check', async () => {
  const readme = readFileSync(new URL('../../stub/README.md', import.meta.url), 'utf8');
  const table = readme.split('### Checks')[1]?.split('\n## ')[0] ?? '';
  const ids = [...table.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, id]) => id);
  const { report } = await verify({ path: bundle });
  expect(ids).toEqual(report.checks.map(({ id }) => id));
});
