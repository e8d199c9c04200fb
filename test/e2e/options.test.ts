import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Outcome,
  type Profile,
  profiles,
  type RunOptions,
  runAs,
  variable,
  witnessed,
} from './support/profile.js';
import { tiers } from './support/tiers.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(
    `dir:${rootfs}`,
    bundle,
    ...[
      '--entrypoint',
      '["/bin/witness","fixed"]',
      '--cmd',
      '["default"]',
      '--workdir',
      '/opt/data',
    ],
    ...[
      '--env',
      'PATH=/bin',
      '--env',
      'FROM_IMAGE=image',
      '--desc',
      'what it is',
      '--label',
      'a=b',
    ],
  );
});

afterAll(() => place?.remove());

let folders = 0;
/** A new directory that belongs to `profile`. */
function ownDirectory(profile: Profile): string {
  const directory = join(place.directory, `own-${folders++}`);
  mkdirSync(directory);
  execFileSync('chown', [`${profile.uid}:${profile.uid}`, directory]);
  return directory;
}

describe.each(profiles)('as $name', (profile) => {
  describe.each([...tiers, 'trace'])('tier %s', (tier) => {
    const run = (argv: string[], options: RunOptions = {}, environment: NodeJS.ProcessEnv = {}) =>
      runAs(profile, [bundle, '--mode', tier, '-q', ...argv], {
        ...options,
        env: { ...process.env, TMPDIR: place.scratch, ...environment },
      });
    const sh = (script: string, options: string[] = [], environment: NodeJS.ProcessEnv = {}) =>
      run([...options, '--no-entrypoint', 'sh', '-c', script], {}, environment);
    const printed = async (outcome: Promise<Outcome>) => {
      const { status, stdout, stderr } = await outcome;
      expect(stderr).toBe('');
      expect(status).toBe(0);
      return stdout.trim();
    };

    test('entrypoint, cmd, and a command of the user', async () => {
      expect(witnessed(await run([])).argv).toEqual(['/bin/witness', 'fixed', 'default']);
      expect(witnessed(await run(['--', 'mine', '-x'])).argv).toEqual([
        '/bin/witness',
        'fixed',
        'mine',
        '-x',
      ]);
      expect(witnessed(await run(['--no-entrypoint', 'witness', '--rw'])).argv).toEqual([
        'witness',
        '--rw',
      ]);
    });

    test('working directory', async () => {
      expect(witnessed(await run([])).cwd).toBe('/opt/data');
      expect(witnessed(await run(['--workdir', '/etc'])).cwd).toBe('/etc');
      expect(witnessed(await run(['--workdir=/home'])).cwd).toBe('/home');
    });

    test('environment: image, families of the host, --env, --env-file, --conf', async () => {
      const file = join(place.directory, `env-${profile.name}-${tier}`);
      writeFileSync(file, '# comment\nIN_FILE=from file\nSECOND=2\n');
      const conf = join(place.directory, `conf-${profile.name}-${tier}`);
      writeFileSync(conf, '#ENROOT_REMAP_ROOT=y\n\nenv IN_CONF=from conf\n');
      const host = {
        OMP_NUM_THREADS: '3',
        SLURM_JOB_ID: '42',
        SECRET_TOKEN: 'x',
        WANTED: 'host',
        FROM_IMAGE: 'host',
      };
      const seen = witnessed(
        await run(
          ['-e', 'A=1', '--env=B=two words', '-e', 'WANTED', '--env-file', file, '-c', conf],
          {},
          host,
        ),
      );
      expect(variable(seen, 'OMP_NUM_THREADS')).toBe('3');
      expect(variable(seen, 'SLURM_JOB_ID')).toBe('42');
      expect(variable(seen, 'SECRET_TOKEN')).toBeUndefined();
      expect(variable(seen, 'FROM_IMAGE')).toBe('image');
      expect(variable(seen, 'A')).toBe('1');
      expect(variable(seen, 'B')).toBe('two words');
      expect(variable(seen, 'WANTED')).toBe('host');
      expect(variable(seen, 'IN_FILE')).toBe('from file');
      expect(variable(seen, 'IN_CONF')).toBe('from conf');
      expect(seen.uid).toBe(0);
    });

    test('--inherit-env takes all of the host, --clean-env none', async () => {
      const host = { OMP_NUM_THREADS: '3', SECRET_TOKEN: 'x' };
      expect(variable(witnessed(await run(['--inherit-env'], {}, host)), 'SECRET_TOKEN')).toBe('x');
      const clean = witnessed(await run(['--clean-env'], {}, host));
      expect(variable(clean, 'OMP_NUM_THREADS')).toBeUndefined();
      expect(variable(clean, 'FROM_IMAGE')).toBe('image');
    });

    test('a configuration script is refused, and never executed', async () => {
      const conf = join(place.directory, `script-${profile.name}-${tier}`);
      const trap = join(place.scratch, `pwned-${profile.name}-${tier}`);
      writeFileSync(conf, `environ() {\n  touch ${trap}\n}\ntouch ${trap}\n`);
      const refused = await run(['-c', conf]);
      expect(refused.status).toBe(125);
      expect(refused.stderr).toMatch(/--env/);
      expect(existsSync(trap)).toBe(false);
    });

    test('the root file system is read-only, --rw makes it writable for one run', async () => {
      expect((await sh('echo x > /opt/new')).status).not.toBe(0);
      expect(await printed(sh('echo x > /opt/new && cat /opt/new', ['--rw']))).toBe('x');
      expect((await sh('cat /opt/new', ['--rw'])).status).not.toBe(0);
    });

    test('what is writable: /tmp, /dev/shm, /run', async () => {
      const script =
        'for d in /tmp /run /dev/shm; do echo $d > $d/t$$ && rm $d/t$$ && echo $d; done';
      expect(await printed(sh(script))).toBe('/tmp\n/run\n/dev/shm');
    });

    test('identity: the caller inside, 0 with --root', async () => {
      expect(await printed(sh('id -u; stat -c %u /opt/data/file'))).toBe(
        `${profile.uid}\n${profile.uid}`,
      );
      expect(await printed(sh('id -u; whoami; echo $HOME', ['--root']))).toBe('0\nroot\n/root');
      expect(await printed(sh('whoami'))).not.toContain('unknown');
    });

    test('--root accepts what needs other ids', async () => {
      const script =
        'touch /tmp/f && chown 33:33 /tmp/f && chown -h 1:1 /tmp/f && mkdir /tmp/d && echo done';
      expect(await printed(sh(script, ['--root', '--rw']))).toBe('done');
    });

    test('HOME is there and writable', async () => {
      expect(await printed(sh('cd "$HOME" && touch f && echo ok', ['--rw']))).toBe('ok');
    });

    test('a HOME that the image lacks takes no overlay below an empty /home', async () => {
      const script =
        'cd "$HOME" && touch f && stat -c %a . && ls /home; grep -c overlay /proc/self/mountinfo';
      const environment = { USER: 'somebody', HOME: '/home/some/one' };
      const expected = profile.uid === 0 ? '0' : '700\nsome\n0';
      expect((await sh(script, [], environment)).stdout.trim()).toBe(expected);
    });

    test('files of the host: hosts, resolv.conf, hostname', async () => {
      expect(await printed(sh('cat /etc/hosts'))).toBe(readFileSync('/etc/hosts', 'utf8').trim());
      expect(await printed(sh('cat /etc/resolv.conf'))).toBe(
        readFileSync('/etc/resolv.conf', 'utf8').trim(),
      );
      expect(await printed(sh('hostname'))).toBe(hostname());
    });

    test('mounts: directory, file, read-only, tmpfs, a missing destination, Enroot’s form', async () => {
      const own = ownDirectory(profile);
      writeFileSync(join(own, 'given'), 'from host\n');
      expect(await printed(sh('cat /mnt-new/sub/given', ['-m', `${own}:/mnt-new/sub`]))).toBe(
        'from host',
      );
      await printed(sh('echo written > /opt/data/out', ['-m', `${own}:/opt/data`]));
      expect(readFileSync(join(own, 'out'), 'utf8')).toBe('written\n');
      expect(
        (await sh('echo no > /opt/data/other', ['-m', `${own}:/opt/data:ro`])).status,
      ).not.toBe(0);
      expect(await printed(sh('cat /opt/data/file', [`--mount=${own}/given:/opt/data/file`]))).toBe(
        'from host',
      );
      expect(
        await printed(sh('echo a > /opt/data/b && ls /opt/data', ['-m', 'tmpfs:/opt/data:tmpfs'])),
      ).toBe('b');
      const form = '${PLACE}/given:/opt/in:none:x-create=file,bind,ro,nosuid';
      expect(await printed(sh('cat /opt/in', ['-m', form], { PLACE: own }))).toBe('from host');
    });

    test('a mount whose source is missing is an error that names it, unless nofail', async () => {
      const refused = await sh('true', ['-m', '/no/such/place:/opt/data']);
      expect(refused.status).toBe(125);
      expect(refused.stderr).toContain('/no/such/place');
      expect((await sh('true', ['-m', '/no/such/place:/opt/data:nofail'])).status).toBe(0);
    });

    test('a destination cannot leave the root', async () => {
      const own = ownDirectory(profile);
      writeFileSync(join(own, 'given'), 'inside\n');
      expect(await printed(sh('cat /etc-out/given', ['-m', `${own}:/../../../etc-out`]))).toBe(
        'inside',
      );
      expect(existsSync('/etc-out')).toBe(false);
    });

    test('home and current directory only on request', async () => {
      const home = ownDirectory(profile);
      writeFileSync(join(home, 'mine'), 'private\n');
      expect((await sh(`cat ${home}/mine`, [], { HOME: home })).status).not.toBe(0);
      const cwd = await runAs(
        profile,
        [
          bundle,
          '-q',
          '--mode',
          tier,
          '--mount-cwd',
          '--no-entrypoint',
          'sh',
          '-c',
          'pwd; cat mine',
        ],
        { env: { ...process.env, TMPDIR: place.scratch }, cwd: home },
      );
      expect(cwd.stdout).toBe(`${home}\nprivate\n`);
    });

    test('--rc runs a script instead of the entrypoint', async () => {
      const rc = join(place.directory, `rc-${profile.name}-${tier}`);
      writeFileSync(rc, 'echo "rc with $# arguments: $1"\n');
      expect(await printed(run(['--rc', rc, 'a b', 'c']))).toBe('rc with 2 arguments: a b');
    });

    // What tier trace says to them is in trace-ladder.test.ts.
    if (tier === 'trace') return;

    test('--pid, --net, --ipc, --uts are namespaces of their own', async () => {
      expect(await printed(sh('echo $$', ['--pid']))).toBe('1');
      expect((await sh('exit 9', ['--pid'])).status).toBe(9);
      expect((await sh('kill -9 $$; kill -SEGV $$', ['--pid'])).status).not.toBe(null);
      expect(await printed(sh('ls /sys/class/net', ['--net']))).toBe('lo');
      await printed(sh('ls /dev/shm /dev/mqueue', ['--ipc']));
      expect(await printed(sh('hostname inside && hostname', ['--uts', '--root']))).toBe('inside');
      expect(hostname()).not.toBe('inside');
    });
  });

  const plain = (argv: string[], options: RunOptions = {}) =>
    runAs(profile, [bundle, ...argv], {
      env: { ...process.env, TMPDIR: place.scratch },
      ...options,
    });

  test('--extract writes the tree and stops; a complete tree is used again', async () => {
    const own = ownDirectory(profile);
    const target = join(own, 'tree');
    expect((await plain(['-q', '-x', '-t', target])).status).toBe(0);
    expect(readFileSync(join(target, 'opt/data/file'), 'utf8')).toBe('from the image\n');
    const before = statSync(join(target, 'bin/busybox')).ino;
    const again = await plain(['-q', '-k', '-t', target, '--mode', 'extract']);
    expect(witnessed(again).argv[0]).toBe('/bin/witness');
    expect(statSync(join(target, 'bin/busybox')).ino).toBe(before);
  });

  test('--keep with a target that holds anything else is an error, and the target stays', async () => {
    const own = ownDirectory(profile);
    const target = join(own, 'tree');
    mkdirSync(target);
    writeFileSync(join(target, 'precious'), 'data');
    const refused = await plain(['-q', '-k', '-t', target]);
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain(target);
    expect(readFileSync(join(target, 'precious'), 'utf8')).toBe('data');
  });

  test('two --keep starts at once both work', async () => {
    const target = join(ownDirectory(profile), 'tree');
    const both = await Promise.all([
      plain(['-q', '-k', '-t', target]),
      plain(['-q', '-k', '-t', target]),
    ]);
    expect(both.map((outcome) => outcome.status)).toEqual([0, 0]);
    expect(readFileSync(join(target, 'opt/data/file'), 'utf8')).toBe('from the image\n');
  });

  test('-t with a directory that cannot be written says so', async () => {
    if (profile.uid === 0) return;
    const refused = await plain(['-q', '-k', '-t', '/usr/no-such-place']);
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain('writing to /usr: Permission denied');
  });

  test('--info, as text and as JSON', async () => {
    const text = await plain(['--info']);
    expect(text.status).toBe(0);
    expect(text.stdout).toContain('what it is');
    const json = await plain(['--info', '--json']);
    expect(JSON.parse(json.stdout)).toBeTypeOf('object');
  });

  test('--check and --verify succeed here', async () => {
    expect((await plain(['--check'])).status).toBe(0);
    const verify = await plain(['--verify']);
    expect(verify.stderr).toBe('');
    expect(verify.status).toBe(0);
    expect(JSON.parse((await plain(['--verify', '--json'])).stdout)).toBeTypeOf('object');
  });

  test('--mode mount and a kept tree contradict each other', async () => {
    const refused = await plain(['--mode', 'mount', '--keep']);
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain('--mode mount');
  });

  test('--help and --version', async () => {
    const help = await plain(['--help']);
    expect(help.status).toBe(0);
    for (const option of [
      '--info',
      '--keep',
      '--target',
      '--no-entrypoint',
      '--mount-home',
      '--mode',
    ]) {
      expect(help.stdout).toContain(option);
    }
    expect((await plain(['--version'])).stdout).toMatch(/\d+\.\d+\.\d+/);
  });

  test.each([
    [['--rot'], '--root'],
    [['--wrkdir', '/'], '--workdir'],
    [['-Z'], '-Z'],
    [['--env'], '--env'],
    [['--mode', 'warp'], 'warp'],
    [['--inherit-env', '--clean-env'], '--clean-env'],
  ])('%j is refused with a word about %s', async (argv, word) => {
    const refused = await plain(argv);
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain(word);
  });

  test('a bundle copied to a directory of another user runs there', async () => {
    const own = ownDirectory(profile);
    copyFileSync(bundle, join(own, 'copy.run'));
    chmodSync(join(own, 'copy.run'), 0o755);
    expect((await runAs(profile, ['./copy.run', '-q'], { cwd: own })).status).toBe(0);
  });
});
