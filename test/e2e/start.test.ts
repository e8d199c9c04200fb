import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from './support/leftovers.js';
import { profiles, root, runAs, shells, variable, witnessed } from './support/profile.js';
import { tiers } from './support/tiers.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;
/** Descriptors that the test runner itself hands to everything it starts. */
let inherited: number[];

beforeAll(async () => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  inherited = witnessed(await runAs(root, [join(rootfs, 'bin/witness')])).descriptors;
  build(`dir:${rootfs}`, bundle, '--entrypoint', '["/bin/witness"]', '--env', 'PATH=/bin:/usr/bin');
});

afterAll(() => place?.remove());

const environment = () => ({ ...process.env, TMPDIR: place.scratch });

describe.each(profiles)('as $name', (profile) => {
  describe.each(tiers)('tier %s', (tier) => {
    const tail = ['--mode', tier, '-q'];

    test.each(shells.map((words) => [words]))('under %j', async (shell) => {
      const started = await runAs(profile, [...shell, bundle, ...tail, 'one', 'two words', ''], {
        env: environment(),
      });
      const seen = witnessed(started);
      expect(seen.argv).toEqual(['/bin/witness', 'one', 'two words', '']);
      expect(seen.pid).toBe(started.pid);
      expect(seen.waitErrno).toBe(10);
      expect(seen.descriptors).toEqual(inherited);
      expect(seen.uid).toBe(profile.uid);
      expect(seen.noNewPrivs).toBe(1);
      expect(variable(seen, 'TMPDIR')).toBe('/tmp');
      expect(started.status).toBe(0);
    });

    test('by absolute path, from another directory', async () => {
      const started = await runAs(profile, [bundle, ...tail], { env: environment(), cwd: '/' });
      expect(witnessed(started).cwd).toBe('/');
    });

    test('by a relative path', async () => {
      const started = await runAs(profile, ['./x.run', ...tail], {
        env: environment(),
        cwd: place.directory,
      });
      expect(started.status).toBe(0);
    });

    test('through PATH', async () => {
      const started = await runAs(profile, ['x.run', ...tail], {
        env: { ...environment(), PATH: `${place.directory}:${process.env.PATH}` },
        cwd: '/',
      });
      expect(started.status).toBe(0);
    });

    test('through a symbolic link', async () => {
      const link = join(place.directory, `link-${profile.name}-${tier}`);
      symlinkSync('x.run', link);
      expect((await runAs(profile, [link, ...tail], { env: environment() })).status).toBe(0);
    });

    test.each(shells.map((words) => [words]))(
      'without the executable bit, as %j x.run',
      async (shell) => {
        const directory = join(place.directory, `plain-${profile.name}-${tier}-${shell.join('-')}`);
        mkdirSync(directory);
        copyFileSync(bundle, join(directory, 'x.run'));
        chmodSync(join(directory, 'x.run'), 0o644);
        const started = await runAs(profile, [...shell, 'x.run', ...tail], {
          env: environment(),
          cwd: directory,
        });
        expect(witnessed(started).pid).toBe(started.pid);
      },
    );

    test('from a directory with spaces, quotes and bytes that are not UTF-8', async () => {
      const name = Buffer.from(
        ` it's "a" $(touch pwned) \`x\` \n \xff\xfe-${profile.name}-${tier}`,
        'latin1',
      );
      const directory = Buffer.concat([Buffer.from(`${place.directory}/`), name]);
      mkdirSync(directory);
      copyFileSync(bundle, Buffer.concat([directory, Buffer.from('/x.run')]));
      // Node's spawn takes text only, so a shell that reads the name from its input goes there.
      const started = await runAs(
        profile,
        ['sh', '-c', `cd "$(cat)" && exec ./x.run "$@"`, 'sh', ...tail],
        {
          env: environment(),
          cwd: place.directory,
          input: directory,
        },
      );
      expect(witnessed(started).argv).toEqual(['/bin/witness']);
    });

    test('from a read-only file system', async () => {
      const directory = join(place.directory, `readonly-${profile.name}-${tier}`);
      mkdirSync(directory);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', directory]);
      try {
        copyFileSync(bundle, join(directory, 'x.run'));
        chmodSync(join(directory, 'x.run'), 0o755);
        execFileSync('mount', ['-o', 'remount,ro', directory]);
        const started = await runAs(profile, ['./x.run', ...tail], {
          env: environment(),
          cwd: directory,
        });
        expect(witnessed(started).pid).toBe(started.pid);
      } finally {
        // A server of the payload ends a moment after the program.
        await until('the file system to be free', () => {
          return spawnSync('umount', [directory]).status === 0;
        });
      }
    });

    test('with an empty environment', async () => {
      const started = await runAs(profile, ['env', '-i', bundle, ...tail], {
        cwd: place.directory,
      });
      const seen = witnessed(started);
      expect(variable(seen, 'PATH')).toBe('/bin:/usr/bin');
      expect(seen.env.filter((entry) => entry.startsWith('rundle'))).toEqual([]);
    });

    test('with standard output closed', async () => {
      const started = await runAs(
        profile,
        [
          'sh',
          '-c',
          'exec "$@" >&-',
          'sh',
          bundle,
          ...tail,
          '--no-entrypoint',
          'sh',
          '-c',
          'echo x; echo "st $?" >&2',
        ],
        { env: environment() },
      );
      expect(started.stderr).toContain('st 1');
      expect(started.stdout).toBe('');
    });

    test('10,000 arguments', async () => {
      const many = Array.from({ length: 10_000 }, (_, index) => `argument ${index} 'q' "d" $x \\`);
      const started = await runAs(profile, [bundle, ...tail, 'echo', ...many], {
        env: environment(),
      });
      expect(started.stdout.split('\0').slice(0, -1)).toEqual(many);
    });

    test('standard input arrives whole', async () => {
      const input = Buffer.alloc(1_000_000, 'abcdefg\n');
      const started = await runAs(profile, [bundle, ...tail, '--no-entrypoint', 'md5sum'], {
        env: environment(),
        input,
      });
      const expected = execFileSync('md5sum', { input, encoding: 'utf8' });
      expect(started.stdout).toBe(expected);
    });

    test.each([0, 1, 77, 125, 255])('exit status %i', async (status) => {
      const started = await runAs(profile, [bundle, ...tail, 'exit', String(status)], {
        env: environment(),
      });
      expect(started).toMatchObject({ status, signal: null });
    });

    test.each([
      ['SIGTERM', 15],
      ['SIGKILL', 9],
      ['SIGINT', 2],
      ['SIGSEGV', 11],
    ])('death by %s', async (signal, number) => {
      const started = await runAs(profile, [bundle, ...tail, 'signal', String(number)], {
        env: environment(),
      });
      expect(started).toMatchObject({ status: null, signal });
    });

    test('umask, ignored signals, limits, descriptors and affinity as the caller set them', async () => {
      const script =
        'umask 031; trap "" USR1; ulimit -n 333; exec 7</dev/null; exec taskset -c 0 "$@"';
      const started = await runAs(profile, ['sh', '-c', script, 'sh', bundle, ...tail], {
        env: environment(),
      });
      expect(witnessed(started)).toMatchObject({
        umask: 0o31,
        ignored: [10],
        blocked: [],
        nofile: 333,
        descriptors: [0, 1, 2, 7, ...inherited.filter((fd) => fd > 7)],
        cpus: 1,
      });
    });

    test('a command substitution returns at once and nothing stays', async () => {
      const script = 'out=$("$@"); echo "${#out}"';
      const started = await runAs(
        profile,
        ['sh', '-c', script, 'sh', bundle, ...tail, 'echo', 'abc'],
        {
          env: environment(),
          limit: 20_000,
        },
      );
      expect(started.stdout).toBe('3\n');
    });

    test('command not found is 127, not executable is 126, with the name', async () => {
      const missing = await runAs(
        profile,
        [bundle, ...tail, '--no-entrypoint', 'no-such-program'],
        {
          env: environment(),
        },
      );
      expect(missing.status).toBe(127);
      expect(missing.stderr).toContain('no-such-program');
      const plain = await runAs(profile, [bundle, ...tail, '--no-entrypoint', '/etc/passwd'], {
        env: environment(),
      });
      expect(plain.status).toBe(126);
      expect(plain.stderr).toContain('/etc/passwd');
    });

    test('the terminal: size, foreground job, Ctrl-C', async () => {
      const inner = `stty rows 33 cols 77; '${bundle}' --mode ${tier} -q`;
      const sized = await runAs(profile, ['script', '-qec', inner, '/dev/null'], {
        env: environment(),
      });
      expect(JSON.parse(sized.stdout.trim())).toMatchObject({
        terminal: 1,
        rows: 33,
        columns: 77,
        foreground: 1,
      });
      const waiting = `'${bundle}' --mode ${tier} -q --no-entrypoint sh -c 'echo ready; sleep 30'`;
      const stopped = await runAs(
        profile,
        ['/usr/bin/python3', join(import.meta.dirname, 'support/interrupt.py'), waiting],
        { env: environment(), limit: 30_000 },
      );
      expect(stopped.stdout).toContain('signal 2');
    });
  });
});

test('an unreadable bundle directory is no reason to fail: the file alone counts', async () => {
  const directory = join(place.directory, 'closed');
  mkdirSync(directory);
  copyFileSync(bundle, join(directory, 'x.run'));
  writeFileSync(join(directory, 'other'), '');
  chmodSync(directory, 0o711);
  const [, user] = profiles;
  const started = await runAs(user, [join(directory, 'x.run'), '-q'], { env: environment() });
  expect(started.status).toBe(0);
});
