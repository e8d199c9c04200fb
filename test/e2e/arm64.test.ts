import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root, runAs } from './support/profile.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

/*
 * A bundle for aarch64, started here through qemu's user emulation: the kernel hands such programs to it by
 * binfmt_misc. There are no user namespaces in there, so nothing is run inside; header, --info, --check and
 * --extract are.
 */
const formats = '/proc/sys/fs/binfmt_misc';
const entry = join(formats, 'rundle-test-aarch64');
let place: Workplace;
let bundle: string;
let environment: NodeJS.ProcessEnv;
let mounted = false;

beforeAll(() => {
  if (!existsSync(join(formats, 'register'))) {
    execFileSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', formats]);
    mounted = true;
  }
  const magic =
    '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00';
  const mask =
    '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff';
  const rule = `:rundle-test-aarch64:M::${magic}:${mask}:/usr/bin/qemu-aarch64-static:F`;
  writeFileSync(join(formats, 'register'), rule);
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'arm.run');
  build(`dir:${rootfs}`, bundle, '--platform', 'linux/arm64', '--cmd', '["true"]');
  const bin = join(place.directory, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'uname'), '#!/bin/sh\necho Linux aarch64\n', { mode: 0o755 });
  environment = { ...process.env, PATH: `${bin}:${process.env.PATH}`, TMPDIR: place.scratch };
}, 60_000);

afterAll(() => {
  if (existsSync(entry)) writeFileSync(entry, '-1');
  if (mounted) execFileSync('umount', [formats]);
  place?.remove();
});

test('without emulation of its machine, the bundle names what it needs', async () => {
  const ended = await runAs(root, [bundle, '--info']);
  expect(ended.status).toBe(125);
  expect(ended.stderr).toContain('aarch64');
});

test('header and --info', async () => {
  const ended = await runAs(root, [bundle, '--info', '--json'], { env: environment });
  expect(ended.stderr).toBe('');
  expect(JSON.stringify(JSON.parse(ended.stdout))).toContain('aarch64');
});

test('--check finds nothing, and finds a changed byte', async () => {
  expect((await runAs(root, [bundle, '--check'], { env: environment })).status).toBe(0);
  const bytes = readFileSync(bundle);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  const changed = join(place.directory, 'changed.run');
  writeFileSync(changed, bytes, { mode: 0o755 });
  expect((await runAs(root, [changed, '--check'], { env: environment })).status).toBe(1);
});

test('--extract writes the same tree as a launcher of this machine would', async () => {
  const target = join(place.directory, 'tree');
  const ended = await runAs(root, [bundle, '-q', '-x', '-t', target], { env: environment });
  expect(ended.stderr).toBe('');
  expect(ended.status).toBe(0);
  for (const name of ['bin/busybox', 'bin/witness', 'opt/data/file', 'opt/closed/file']) {
    const expected = join(place.directory, 'rootfs', name);
    expect(readFileSync(join(target, name)).equals(readFileSync(expected)), name).toBe(true);
    expect(statSync(join(target, name)).mode).toBe(statSync(expected).mode);
  }
});

test.each(['mount', 'extract'])('root starts it in tier %s', async (tier) => {
  // Its programs are for this machine: what is emulated is the launcher.
  const ended = await runAs(root, [bundle, '--mode', tier, 'true'], { env: environment });
  expect(ended).toMatchObject({ status: 0, stdout: '' });
});
