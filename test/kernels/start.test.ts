import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { build, makeRootfs, makeWorkplace, type Workplace } from '../e2e/support/workplace.js';
import { bookworm, boot, noble, trixie } from './boot.js';
import { file } from './cpio.js';

let place: Workplace;
let bundle: Buffer;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  build(`dir:${rootfs}`, join(place.directory, 'x.run'), '--env', 'PATH=/bin');
  bundle = readFileSync(join(place.directory, 'x.run'));
});

afterAll(() => place?.remove());

test.each([bookworm, trixie, noble])('a bundle starts on $name', async (kernel) => {
  const { runs } = await boot({
    kernel,
    files: [file('x.run', bundle, 0o755)],
    script: `
      run user user /x.run sh -c 'echo "$1"; exit 7' sh "it's"
      run root root /x.run sh -c 'head -n 1 /proc/mounts; exit 7'`,
  });
  expect(runs.get('user')).toEqual({ status: 7, stdout: "it's\n", stderr: '' });
  expect(runs.get('root')).toMatchObject({ status: 7, stderr: '' });
  expect(runs.get('root')?.stdout).toContain('fuse.rundle');
});
