import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root, runAs, user } from './support/profile.js';
import { build, makeRootfs, makeWorkplace, rundle, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;

interface Section {
  name: string;
  offset: number;
  size: number;
}
let sections: Section[];

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--cmd', '["true"]', '--env', 'PATH=/bin');
  const [node, cli] = rundle;
  const shown = execFileSync(node, [cli, 'inspect', '--json', bundle], { encoding: 'utf8' });
  sections = (JSON.parse(shown) as { sections: Section[] }).sections;
});

afterAll(() => place?.remove());

let copies = 0;
function copy(): string {
  const path = join(place.directory, `copy-${copies++}.run`);
  copyFileSync(bundle, path);
  chmodSync(path, 0o755);
  return path;
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ 0x01;
  writeFileSync(path, bytes);
}

const run = (path: string, ...argv: string[]) =>
  runAs(user, [path, '-q', ...argv], { env: { ...process.env, TMPDIR: place.scratch } });

describe('a bundle that is not as it was built', () => {
  test.each([1, 128, 5000])('%i bytes short: both sizes are named', async (missing) => {
    const path = copy();
    const { length } = readFileSync(bundle);
    truncateSync(path, length - missing);
    const ended = await run(path);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain(String(length));
    expect(ended.stderr).toContain(String(length - missing));
  });

  test('only the header is left: both sizes are named', async () => {
    const path = copy();
    const [header] = sections;
    truncateSync(path, (header?.size ?? 0) + 100);
    const ended = await run(path);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain(String(readFileSync(bundle).length));
  });

  test('extended: both sizes are named', async () => {
    const path = copy();
    appendFileSync(path, 'more');
    const ended = await run(path);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain(String(readFileSync(bundle).length + 4));
  });

  test('--check finds a changed byte in every section, by both programs', async () => {
    expect(sections.length).toBeGreaterThanOrEqual(5);
    const [node, cli] = rundle;
    for (const section of sections) {
      const path = copy();
      // The last byte of a header is padding: the script itself still runs.
      flip(path, section.offset + section.size - 1);
      const checked = await run(path, '--check');
      expect(checked.status, `${section.name} by --check`).not.toBe(0);
      const inspected = await runAs(root, [node, cli, 'inspect', '--check', path]);
      expect(inspected.status, `${section.name} by inspect`).not.toBe(0);
    }
  });

  test('a changed byte in the padding, the table and the footer is found', async () => {
    const size = readFileSync(bundle).length;
    const payload = sections.find((section) => section.name === 'payload');
    const before = (payload?.offset ?? 0) - 1;
    for (const offset of [before, size - 1, size - 100, size - 140]) {
      const path = copy();
      flip(path, offset);
      expect((await run(path, '--check')).status, `byte ${offset}`).not.toBe(0);
    }
  });

  test('an unknown format version is named', async () => {
    const path = copy();
    const bytes = readFileSync(path);
    const footer = bytes.subarray(bytes.length - 128);
    footer.writeUInt16LE(2, 8);
    const sum = execFileSync('sha256sum', { input: footer.subarray(0, 96), encoding: 'utf8' });
    footer.write(sum.slice(0, 64), 96, 'hex');
    writeFileSync(path, bytes);
    const ended = await run(path);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toMatch(/format version 2/);
  });

  test.each([
    [0, 0],
    [1, 125],
  ])('an unknown section with flags %i: status %i', async (flags, status) => {
    const path = copy();
    const bytes = readFileSync(path);
    const footer = bytes.subarray(bytes.length - 128);
    const table = bytes.subarray(Number(footer.readBigUInt64LE(16)), bytes.length - 128);
    // The manifest's entry becomes one of a kind that nobody knows.
    const count = table.readUInt32LE(8);
    const index = Array.from({ length: count }, (_, at) => 16 + at * 64).find(
      (at) => table.readUInt32LE(at) === 5,
    );
    table.writeUInt32LE(4711, index ?? 0);
    table.writeUInt32LE(flags, (index ?? 0) + 8);
    const hash = (data: Buffer) =>
      execFileSync('sha256sum', { input: data, encoding: 'utf8' }).slice(0, 64);
    footer.write(hash(table.subarray(0, Number(footer.readBigUInt64LE(24)))), 32, 'hex');
    footer.write(hash(footer.subarray(0, 96)), 96, 'hex');
    writeFileSync(path, bytes);
    expect((await run(path)).status).toBe(status);
  });

  test('a machine of another kind gets a clear word', async () => {
    const fake = join(place.directory, 'fake');
    mkdirSync(fake);
    for (const [system, machine] of [
      ['Linux', 'riscv64'],
      ['Darwin', 'arm64'],
    ]) {
      writeFileSync(
        join(fake, 'uname'),
        `#!/bin/sh\ncase "$*" in *s*m*) echo ${system} ${machine};; *m*) echo ${machine};; *) echo ${system};; esac\n`,
        { mode: 0o755 },
      );
      // A kernel that does not say what it was made for, as before Linux 6.1.
      const script = 'mount --bind /dev/null /proc/sys/kernel/arch; exec "$@"';
      const start = ['unshare', '-m', 'sh', '-euc', script, 'sh', ...user.prefix, bundle, '-q'];
      const ended = await runAs(root, start, {
        env: { ...process.env, PATH: `${fake}:/usr/bin:/bin`, TMPDIR: place.scratch },
      });
      expect(ended.status).toBe(125);
      expect(ended.stderr).toContain(machine === 'arm64' ? 'Darwin' : 'riscv64');
      expect(ended.stderr).toContain('x86_64');
    }
  });

  test('no room for the tree: nothing stays behind', async () => {
    const full = join(place.directory, 'full');
    mkdirSync(full);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k,mode=1777', 'tmpfs', full]);
    try {
      const ended = await run(bundle, '--mode', 'extract', '-k', '-t', join(full, 'tree'));
      expect(ended.status).toBe(125);
      expect(ended.stderr).toContain(full);
      expect(execFileSync('ls', ['-A', full], { encoding: 'utf8' })).toBe('');
    } finally {
      execFileSync('umount', [full]);
    }
  });
});
