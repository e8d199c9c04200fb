import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settled } from './support/leftovers.js';
import { profiles, root, runAs, user } from './support/profile.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;
let other: string;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle);
  writeFileSync(join(rootfs, 'etc/more'), 'another payload');
  other = join(place.directory, 'other.run');
  build(`dir:${rootfs}`, other);
});

afterAll(() => place?.remove());

describe.each(profiles)('--overlay DIR, as $name', (profile) => {
  const directory = (name: string) => join(place.directory, `scratch/${profile.name}-${name}`);
  const run = (options: readonly string[], script: string, file = bundle) =>
    runAs(profile, [file, ...options, 'sh', '-c', script], {
      env: { ...process.env, TMPDIR: place.scratch },
    });

  test('what a start changes, the next one finds', async () => {
    const changes = directory('changes');
    const first = await run(
      ['--overlay', changes],
      'echo new > /opt/new; rm -r /opt/data; mkdir /opt/data; mv /bin/witness /bin/moved; chmod 700 /opt/new',
    );
    expect(first).toMatchObject({ status: 0, stderr: '' });
    const second = await run(
      ['--overlay', changes],
      'cat /opt/new; ls /opt/data; stat -c %a /opt/new; ls /bin/moved; [ -e /bin/witness ] || echo gone',
    );
    expect(second).toMatchObject({ status: 0, stdout: 'new\n700\n/bin/moved\ngone\n', stderr: '' });
    expect((await run([], 'cat /opt/data/file')).stdout).toBe('from the image\n');
    expect(await settled(place.scratch)).toEqual([]);
  });

  test('many starts, one right after the other', async () => {
    const changes = directory('sequence');
    for (let i = 0; i < 20; i++) {
      expect((await run(['--overlay', changes], 'echo x >> /opt/count')).stderr).toBe('');
    }
    expect((await run(['--overlay', changes], 'wc -l < /opt/count')).stdout).toBe('20\n');
  });

  test('a directory in use is refused, and left as it is', async () => {
    const changes = directory('busy');
    const held = await run(['--overlay', changes], 'true');
    expect(held.status).toBe(0);
    const before = readdirSync(changes).sort();
    // The lock is the marker's: whoever holds it is a container in use.
    const locked = await runAs(profile, [
      'flock',
      '-x',
      join(changes, 'rundle-overlay'),
      bundle,
      '--overlay',
      changes,
      'true',
    ]);
    expect(locked.status).toBe(125);
    expect(locked.stderr).toContain('in use by another container');
    expect(readdirSync(changes).sort()).toEqual(before);
  });

  test.each([
    ['changes to another bundle', 'another'],
    ['other things', 'full'],
  ])('a directory that holds %s is refused', async (words, kind) => {
    const changes = directory(kind);
    if (kind === 'another') {
      expect((await run(['--overlay', changes], 'true', other)).status).toBe(0);
    } else {
      await runAs(profile, ['sh', '-c', `mkdir ${changes} && touch ${changes}/mine`]);
    }
    const refused = await run(['--overlay', changes], 'true');
    expect(refused).toMatchObject({ status: 125, stdout: '' });
    expect(refused.stderr).toContain(`holds ${words}`);
    if (kind === 'full') expect(readdirSync(changes)).toEqual(['mine']);
  });

  test('what it does not go together with', async () => {
    const changes = directory('unused');
    for (const options of [['--keep'], ['--target', 'x'], ['--mode', 'extract']]) {
      const refused = await run(['--overlay', changes, ...options], 'true');
      expect(refused).toMatchObject({ status: 125, stdout: '' });
      expect(refused.stderr).toContain('contradict');
    }
    expect(existsSync(changes)).toBe(false);
  });
});

test("somebody else's directory is refused", async () => {
  const changes = join(place.directory, 'scratch/foreign');
  expect((await runAs(user, [bundle, '--overlay', changes, 'true'])).status).toBe(0);
  const refused = await runAs(root, [bundle, '--overlay', changes, 'true']);
  expect(refused.status).toBe(125);
  expect(refused.stderr).toContain('belongs to somebody else');
  rmSync(changes, { recursive: true });
});
