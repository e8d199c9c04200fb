import { execFileSync } from 'node:child_process';
import { chownSync, copyFileSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { profiles, runAs, user } from './support/profile.js';
import { makeWorkplace, repository, rundle, type Workplace } from './support/workplace.js';

let place: Workplace;

beforeAll(() => {
  place = makeWorkplace();
});

afterAll(() => place?.remove());

/** Runs the build script of an example, as a reader of its README would. */
function buildExample(name: string, output: string): void {
  execFileSync('sh', [join(repository, 'examples', name, 'build.sh'), output, '--quiet'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function environment(variables: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, TMPDIR: place.scratch, ...variables };
}

describe('stream', () => {
  let bundle: string;

  beforeAll(() => {
    bundle = join(place.directory, 'stream.run');
    buildExample('stream', bundle);
  });

  test('holds one program and nothing else that can run', () => {
    const tree = join(place.directory, 'stream-tree');
    execFileSync(rundle[0], [rundle[1], 'unpack', bundle, tree, '--quiet']);
    const programs = readdirSync(tree, { recursive: true, encoding: 'utf8' }).filter((name) => {
      const status = statSync(join(tree, name));
      return status.isFile() && (status.mode & 0o111) !== 0;
    });
    expect(programs.filter((name) => name !== 'etc/rc')).toEqual(['stream']);
  });

  test.each(profiles)('measures all four loops as $name', async (profile) => {
    const outcome = await runAs(profile, [bundle, '100000', '3'], {
      env: environment({ OMP_NUM_THREADS: '2' }),
    });
    expect(outcome.stderr).toBe('');
    expect(outcome.status).toBe(0);
    expect(outcome.stdout).toContain(
      '3 arrays of 100000 doubles (0.8 MiB each), 3 repetitions, 2 threads',
    );
    for (const loop of ['copy', 'scale', 'add', 'triad']) {
      const line = outcome.stdout.split('\n').find((text) => text.startsWith(`${loop} `)) ?? '';
      const [best = 0, average = 0] = line.split(/ +/).slice(1).map(Number);
      expect(average, line).toBeGreaterThan(0);
      expect(best, line).toBeGreaterThanOrEqual(average);
    }
    expect(outcome.stdout).toMatch(/^Results are right/m);
  });

  test('--env wins over the environment', async () => {
    const outcome = await runAs(user, [bundle, '--env', 'OMP_NUM_THREADS=1', '100000', '2'], {
      env: environment({ OMP_NUM_THREADS: '2' }),
    });
    expect(outcome.stdout).toContain(', 1 thread\n');
  });

  test('its exit status arrives', async () => {
    const outcome = await runAs(user, [bundle, 'many'], { env: environment() });
    expect(outcome.stderr).toContain('ELEMENTS is not a number in range');
    expect(outcome.status).toBe(2);
  });
});

describe("numpy-norm, copied to another user's directory", () => {
  let home: string;
  const run = (args: readonly string[], variables: Record<string, string> = {}) =>
    runAs(user, ['./numpy-norm.run', ...args], { env: environment(variables), cwd: home });

  beforeAll(() => {
    const built = join(place.directory, 'numpy-norm.run');
    buildExample('numpy-norm', built);
    home = join(place.directory, 'home');
    mkdirSync(home, { mode: 0o700 });
    copyFileSync(built, join(home, 'numpy-norm.run'));
    for (const path of [home, join(home, 'numpy-norm.run')]) chownSync(path, user.uid, user.uid);
  });

  const norm = (output: string) => Number(/^norm (\S+)$/m.exec(output)?.[1]);

  test('runs the benchmark by default, with as many threads as --env says', async () => {
    const two = await run(['--env', 'OMP_NUM_THREADS=2', '300', '2']);
    expect(two.stderr).toBe('');
    expect(two.status).toBe(0);
    expect(two.stdout).toContain('Matrix product of 300 x 300 doubles, 2 threads');
    expect(two.stdout).toMatch(/^ +1: +[\d.]+ s +[\d.]+ GFLOPS\n +2: +[\d.]+ s +[\d.]+ GFLOPS$/m);
    const one = await run(['--env', 'OMP_NUM_THREADS=1', '300', '1'], { OMP_NUM_THREADS: '2' });
    expect(one.stdout).toContain('doubles, 1 threads');
    // A product of two n x n matrices of standard normal numbers has a norm of about n to the power 1.5.
    expect(norm(two.stdout) / 300 ** 1.5).toBeCloseTo(1, 1);
    expect(norm(one.stdout) / norm(two.stdout)).toBeCloseTo(1, 10);
  });

  test('--rc replaces the benchmark, and OpenBLAS starts the threads it is told', async () => {
    const rc = join(home, 'my rc.sh');
    writeFileSync(
      rc,
      'exec python3 -c "import numpy, os; print(len(os.listdir(\'/proc/self/task\')))"\n',
    );
    const outcome = await run(['--rc', rc, '--env', 'OMP_NUM_THREADS=2']);
    expect(outcome.stderr).toBe('');
    expect(outcome.stdout).toBe('2\n');
  });

  test('--keep --target leaves the tree, and the next start uses it', async () => {
    const target = join(home, 'tree');
    const first = await run(['--keep', '--target', target, '50', '1']);
    expect(first.status).toBe(0);
    const { ino, uid } = statSync(join(target, 'opt/norm.py'));
    expect(uid).toBe(user.uid);
    const second = await run(['--keep', '--target', target, '50', '1']);
    expect(second.status).toBe(0);
    expect(norm(second.stdout)).toBe(norm(first.stdout));
    expect(statSync(join(target, 'opt/norm.py')).ino).toBe(ino);
  });

  test('--mount shows a directory of the host', async () => {
    const data = join(home, 'data');
    mkdirSync(data);
    writeFileSync(join(data, 'n'), '64\n');
    const rc = join(home, 'rc.sh');
    writeFileSync(rc, 'exec python3 /opt/norm.py "$(cat /data/n)" 1\n');
    const outcome = await run(['--mount', `${data}:/data`, '--rc', rc]);
    expect(outcome.stderr).toBe('');
    expect(outcome.stdout).toContain('Matrix product of 64 x 64 doubles');
  });
});
