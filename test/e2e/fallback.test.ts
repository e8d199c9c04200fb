import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, runAs, witnessed } from './support/profile.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--entrypoint', '["/bin/witness"]', '--env', 'PATH=/bin');
});

afterAll(() => place?.remove());

describe('where the payload cannot be mounted', () => {
  /** A mount namespace in which /dev/fuse is no FUSE device any more. */
  const without = (...argv: string[]) =>
    runAs(
      root,
      [
        'unshare',
        '-m',
        'sh',
        '-c',
        'mount --bind /dev/null /dev/fuse && exec "$@"',
        'sh',
        bundle,
        ...argv,
      ],
      { env: { ...process.env, TMPDIR: place.scratch } },
    );

  test('the tree is extracted instead, with one line that says why', async () => {
    const told = await without();
    expect(witnessed(told).argv[0]).toBe('/bin/witness');
    expect(told.stderr).toMatch(
      /^rundle: extracting, since the payload cannot be mounted here: .*\n$/,
    );
    expect((await without('-q')).stderr).toBe('');
  });

  test('--mode mount does not fall back, it says what failed', async () => {
    const refused = await without('--mode', 'mount');
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain('FUSE');
  });

  test('--verify runs, in the lesser tier', async () => {
    const verified = await without('--verify');
    expect(verified.status).toBe(0);
    expect(verified.stdout).toMatch(/WARN {2}mount/);
  });
});
