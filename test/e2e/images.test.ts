import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeSif } from '../source/support/sif-file.js';
import { profiles, runAs, variable, witnessed } from './support/profile.js';
import { tiers } from './support/tiers.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

/** What Enroot's import writes for an image with WorkingDir, Entrypoint, Cmd, Env and a volume. */
const RC = `#!/bin/sh
# a label

mkdir -p "/work" 2>/dev/null
cd "/work" || exit 1
unset OLDPWD

if [ -s /etc/rc.local ]; then
    . /etc/rc.local
fi

if [ $# -gt 0 ]; then
    exec '/bin/witness' "$@"
else
    exec '/bin/witness' 'the default'
fi
`;
const ENVIRONMENT = `PATH=/bin:/usr/bin
GREETING=hello "world"
FROM_HOST=\${RUNDLE_TEST_NAME}
`;
const FSTAB =
  '${ENROOT_ROOTFS}/data /data none x-create=dir,bind,rw,nosuid,nodev\n' +
  'tmpfs /scratch tmpfs x-create=dir,mode=1777\n';

let place: Workplace;
const at = (...names: string[]) => join(place.directory, ...names);
const environment = () => ({ ...process.env, TMPDIR: place.scratch, RUNDLE_TEST_NAME: 'host' });

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = at('rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
});

afterAll(() => place?.remove());

function mksquashfs(...options: string[]): void {
  execFileSync('mksquashfs', [...options, '-quiet', '-no-progress', '-noappend'], {
    stdio: 'pipe',
  });
}

describe('an image of Enroot', () => {
  let bundle: string;

  beforeAll(() => {
    execFileSync('cp', ['-a', at('rootfs'), at('enroot')]);
    mkdirSync(at('enroot/work'));
    writeFileSync(at('enroot/etc/rc'), RC, { mode: 0o755 });
    writeFileSync(at('enroot/etc/rc.local'), 'export SOURCED=yes\n');
    writeFileSync(at('enroot/etc/environment'), ENVIRONMENT);
    writeFileSync(at('enroot/etc/fstab'), FSTAB);
    // Enroot's ENROOT_SQUASH_OPTIONS.
    mksquashfs(at('enroot'), at('enroot.sqsh'), '-all-root', '-comp', 'lzo', '-noD');
    bundle = at('enroot.run');
    build(at('enroot.sqsh'), bundle, '--env', 'ADDED=1');
  });

  describe.each(profiles)('as $name', (profile) => {
    const start = (...args: string[]) =>
      runAs(profile, [bundle, '-q', ...args], { env: environment() });

    test.each(tiers)('starts as under Enroot in tier %s', async (tier) => {
      const started = await start('--mode', tier);
      const seen = witnessed(started);
      expect(seen.argv).toEqual(['/bin/witness', 'the default']);
      expect(seen.cwd).toBe('/work');
      expect(variable(seen, 'GREETING')).toBe('hello "world"');
      expect(variable(seen, 'FROM_HOST')).toBe('host');
      expect(variable(seen, 'SOURCED')).toBe('yes');
      expect(variable(seen, 'ADDED')).toBe('1');
      expect(started.status).toBe(0);
    });

    test('passes a command to its script', async () => {
      expect(witnessed(await start('one', 'two words')).argv).toEqual([
        '/bin/witness',
        'one',
        'two words',
      ]);
    });

    test('has its volume and its mounts', async () => {
      const script = 'echo x >/data/file && echo y >/scratch/file && cat /data/file /scratch/file';
      const started = await start('--no-entrypoint', 'sh', '-c', script);
      expect([started.stderr, started.stdout]).toEqual(['', 'x\ny\n']);
    });
  });

  test('becomes another bundle without its script when it gets a command', async () => {
    build(at('enroot.sqsh'), at('other.run'), '--entrypoint', '["/bin/echo", "other"]');
    const started = await runAs(profiles[0], [at('other.run'), '-q', 'x'], { env: environment() });
    expect(started.stdout).toBe('other x\n');
  });
});

describe('an image of Apptainer', () => {
  test.each(profiles)(
    'runs its environment scripts and its runscript as $name',
    async (profile) => {
      execFileSync('cp', ['-a', at('rootfs'), at(`sif-${profile.name}`)]);
      const directory = at(`sif-${profile.name}/.singularity.d`);
      mkdirSync(join(directory, 'env'), { recursive: true });
      writeFileSync(
        join(directory, 'env/10-image.sh'),
        'export PATH="/bin"\nexport A="${A:-a b}"\n',
      );
      writeFileSync(join(directory, 'env/90-environment.sh'), 'export B="$A and more"\n');
      writeFileSync(join(directory, 'runscript'), '#!/bin/sh\necho "$B" "$@"\n', { mode: 0o755 });
      mksquashfs(at(`sif-${profile.name}`), at('image.squashfs'), '-comp', 'gzip');
      writeSif(at('image.sif'), at('image.squashfs'));
      const bundle = at(`sif-${profile.name}.run`);
      build(at('image.sif'), bundle);
      const started = await runAs(profile, [bundle, '-q', 'one', 'two'], { env: environment() });
      expect([started.stderr, started.stdout]).toEqual(['', 'a b and more one two\n']);
    },
  );
});

describe('a bundle made from a bundle', () => {
  test.each(profiles)('starts with its changes as $name', async (profile) => {
    const first = at(`first-${profile.name}.run`);
    build(`dir:${at('rootfs')}`, first, '--entrypoint', '/bin/witness', '--env', 'A=1');
    build(
      first,
      at(`second-${profile.name}.run`),
      '--env',
      'B=2',
      '--copy',
      `${at('rootfs/etc/passwd')}:/added`,
    );
    build(
      at(`second-${profile.name}.run`),
      at(`third-${profile.name}.run`),
      '--cmd',
      '["x"]',
      '--level',
      '3',
    );
    const third = [at(`third-${profile.name}.run`), '-q'];
    const seen = witnessed(await runAs(profile, third, { env: environment() }));
    expect(seen.argv).toEqual(['/bin/witness', 'x']);
    expect([variable(seen, 'A'), variable(seen, 'B')]).toEqual(['1', '2']);
    const shown = await runAs(profile, [...third, '--no-entrypoint', '/bin/cat', '/added']);
    expect(shown.stdout).toContain('root:x:0:0');
    expect((await runAs(profile, [third[0] as string, '--check'])).status).toBe(0);
  });
});
