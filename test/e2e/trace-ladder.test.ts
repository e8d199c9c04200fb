import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Mounted, makeMounted } from './support/mounted.js';
import { runAs, user } from './support/profile.js';
import { endProcesses, goneExcept, tracedEnvironment } from './support/traces.js';
import { repository } from './support/workplace.js';

let mounted: Mounted;
/** Words that go before a command line where no user namespace can be had. */
let refused: string[];

beforeAll(() => {
  mounted = makeMounted(0);
  const without = join(mounted.place.directory, 'without');
  const source = join(repository, 'test/launcher/support/without.c');
  execFileSync('gcc', ['-O1', '-D_GNU_SOURCE', '-o', without, source]);
  refused = [without, 'userns=1', '--'];
});

afterEach(() => endProcesses(mounted.place));
afterAll(() => mounted?.place.remove());

const gone = () => goneExcept(mounted.place, mounted.before);
const run = (argv: readonly string[], cwd = mounted.place.scratch) =>
  runAs(user, [...refused, mounted.bundle, ...argv], {
    env: tracedEnvironment(mounted.place),
    cwd,
  });
const shell = (script: string) => ['sh', '-c', script];

let directories = 0;
function ownDirectory(): string {
  const directory = join(mounted.place.directory, `own-${directories++}`);
  mkdirSync(directory);
  execFileSync('chown', ['12345:12345', directory]);
  return directory;
}

describe('where no user namespace can be had', () => {
  test('a start goes on by tracing, and says why in one line', async () => {
    const told = await run(shell('cat /opt/data/file; exit 7'));
    expect(told).toMatchObject({ status: 7, stdout: 'from the image\n' });
    expect(told.stderr).toMatch(
      /^rundle: tracing the program with PRoot.*: entering a user namespace: Operation not permitted\n$/,
    );
    expect(await run(['-q', ...shell('exit 7')])).toMatchObject({ status: 7, stderr: '' });
    expect(await gone()).toEqual([]);
  });

  test('a tier that was asked for is not left', async () => {
    for (const tier of ['mount', 'extract']) {
      const failed = await run(['-q', '--mode', tier, 'true']);
      expect(failed).toMatchObject({ status: 125, stdout: '' });
      expect(failed.stderr).toMatch(/entering a user namespace: Operation not permitted\n {2}\S/);
    }
    expect(await gone()).toEqual([]);
  });

  test('what takes a namespace fails with the reason and its remedy', async () => {
    for (const option of ['--pid', '--net', '--ipc', '--uts']) {
      const failed = await run([option, 'true']);
      expect(failed).toMatchObject({ status: 125, stdout: '' });
      expect(failed.stderr).toMatch(/entering a user namespace: Operation not permitted\n {2}\S/);
      const forced = await run([option, '--mode', 'trace', 'true']);
      expect(forced).toMatchObject({ status: 125, stdout: '' });
      expect(forced.stderr).toContain(`${option} cannot be had in mode trace`);
    }
    expect(await gone()).toEqual([]);
  });

  test('a kept tree is extracted once, used again, and stays as it is without --rw', async () => {
    const own = ownDirectory();
    const tree = join(own, 'tree');
    const first = await run(['-t', tree, ...shell('echo changed >/opt/data/file')]);
    expect(first.stderr).toMatch(/rundle: tracing .*\n/);
    expect(first.status).not.toBe(0);
    expect(readFileSync(join(tree, 'opt/data/file'), 'utf8')).toBe('from the image\n');
    expect(existsSync(join(tree, '.rundle'))).toBe(true);
    expect(
      (await run(['-q', '-t', tree, '--rw', ...shell('echo new >/opt/data/new')])).status,
    ).toBe(0);
    expect((await run(['-q', '-t', tree, ...shell('cat /opt/data/new')])).stdout).toBe('new\n');
    expect(readdirSync(own)).toEqual(['tree']);
    expect(await gone()).toEqual([]);
  });

  test('read-only mounts are read-only, others are not', async () => {
    const own = ownDirectory();
    const script = 'echo a >/rw/file; echo b >/ro/file; cat "/odd:na me!/file"';
    const mounts = ['-m', `${own}:/rw`, '-m', `${own}:/ro:ro`, '-m', `${own}:/odd\\:na me!`];
    const read = await run(['-q', '-m', `${own}:/ro:ro`, ...shell('echo b >/ro/other')]);
    expect(read.status).not.toBe(0);
    expect((await run(['-q', ...mounts, ...shell(script)])).stdout).not.toBe('');
    expect(readFileSync(join(own, 'file'), 'utf8')).not.toBe('');
    expect(existsSync(join(own, 'other'))).toBe(false);
    const proc = await run(['-q', '-m', 'proc:/p:proc:ro', 'true']);
    expect(proc).toMatchObject({ status: 125 });
    expect(proc.stderr).toContain('which mounts nothing');
    expect((await run(['-q', '-m', 'proc:/p:proc:nofail,silent', 'true'])).status).toBe(0);
    expect(await gone()).toEqual([]);
  });
});

test('a bundle without PRoot says what is missing', async () => {
  const path = join(mounted.place.directory, 'bare.run');
  const bytes = readFileSync(mounted.bundle);
  const footer = bytes.subarray(bytes.length - 128);
  const at = Number(footer.readBigUInt64LE(16));
  const table = bytes.subarray(at, at + Number(footer.readBigUInt64LE(24)));
  // Section kinds begin behind the table's header; 99 is one that is skipped.
  for (let entry = 16; entry + 64 <= table.length; entry += 64)
    if (table.readUInt32LE(entry) === 6) table.writeUInt32LE(99, entry);
  createHash('sha256').update(table).digest().copy(footer, 32);
  createHash('sha256').update(footer.subarray(0, 96)).digest().copy(footer, 96);
  writeFileSync(path, bytes, { mode: 0o755 });
  const start = (...argv: string[]) =>
    runAs(user, [...refused, path, ...argv], { env: tracedEnvironment(mounted.place) });
  const failed = await start('true');
  expect(failed).toMatchObject({ status: 125, stdout: '' });
  expect(failed.stderr).toMatch(/entering a user namespace: Operation not permitted\n {2}\S/);
  const forced = await start('--mode', 'trace', 'true');
  expect(forced.stderr).toMatch(/holds no PRoot for this machine/);
});
