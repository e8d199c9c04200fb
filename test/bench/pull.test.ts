import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';

const program = resolve(import.meta.dirname, 'main.mjs');
const options = ['--quick', '--only', 'pull', '--runs', '1'];
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** The names of all programs that were given a path below the directory of the test. */
function programs(): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const [name = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return args.some((arg) => arg.includes(directory)) ? [basename(name)] : [];
    } catch {
      return []; // not a process, or ended meanwhile
    }
  });
}

/** Programs that fail, in the way of the real ones of these names. */
function broken(...names: string[]): string {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  for (const name of names) {
    writeFileSync(join(bin, name), '#!/bin/sh\necho broken on purpose >&2\nexit 3\n', {
      mode: 0o755,
    });
  }
  return `${bin}:${process.env.PATH}`;
}

function work(): string {
  const path = join(directory, 'work');
  mkdirSync(path);
  return path;
}

test.each([
  ['docker-registry', /docker-registry serve .*status 3\nbroken on purpose/],
  ['skopeo', /pull: filling the registry: skopeo copy .*status 3\nbroken on purpose/],
  ['mksquashfs', /pull 1\/1: skopeo copy .*, cold: .*status 3\nbroken on purpose/],
])('without %s there are no figures, and no registry is left', (name, reason) => {
  const env = { ...process.env, TMPDIR: work(), PATH: broken(name) };
  const { status, stdout } = spawnSync(process.execPath, [program, ...options], {
    encoding: 'utf8',
    env,
  });
  expect(status).toBe(1);
  expect(stdout).toMatch(reason);
  expect(stdout).not.toContain('goal at most');
  expect(programs()).toEqual([]);
  expect(readdirSync(join(directory, 'work'))).toEqual([]);
});

test.each(['SIGINT', 'SIGKILL'] as const)('%s ends the registry too', async (signal) => {
  const child = spawn(process.execPath, [program, ...options], {
    env: { ...process.env, TMPDIR: work() },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let running: string[] = [];
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
    // Nobody asks the registry for anything just then: it cannot notice by itself.
    if (running.length === 0 && printed.includes('making the large image')) {
      running = programs();
      child.kill(signal);
    }
  });
  const ended = await once(child, 'exit');
  expect(ended).toEqual(signal === 'SIGKILL' ? [null, 'SIGKILL'] : [1, null]);
  expect(running).toContain('docker-registry');
  await expect.poll(programs, { timeout: 60_000 }).toEqual([]);
  if (signal === 'SIGINT') {
    expect(readdirSync(join(directory, 'work'))).toEqual([]);
  }
});

test('disk space is what the files hold, once each, also while they are there for a moment only', async () => {
  const { bytesIn, withPeak } = await import(resolve(import.meta.dirname, 'disk.mjs'));
  const place = work();
  mkdirSync(join(place, 'below'));
  writeFileSync(join(place, 'below/file'), Buffer.alloc(100_001, 1));
  linkSync(join(place, 'below/file'), join(place, 'again'));
  symlinkSync('below/file', join(place, 'link'));
  writeFileSync(join(place, 'hole'), '');
  truncateSync(join(place, 'hole'), 1 << 30);
  expect(bytesIn(place)).toBe(100_001);

  const passing = join(place, 'passing');
  const result = await withPeak(place, async () => {
    writeFileSync(passing, Buffer.alloc(50_000, 1));
    await sleep(100);
    rmSync(passing);
    return { seconds: 1 };
  });
  expect(result).toEqual({ seconds: 1, peak: 150_001 });
  expect(bytesIn(place)).toBe(100_001);
});
