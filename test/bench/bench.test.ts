import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const program = resolve(import.meta.dirname, 'main.mjs');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

interface Table {
  columns: { key: string; title: string }[];
  rows: Record<string, number | string | null>[];
}

interface Report {
  sections: {
    name: string;
    error?: string;
    tables: Table[];
    goals: { name: string; figure: number; limit: number; bound: string; reached: boolean }[];
  }[];
}

function bench(options: string[], environment: Record<string, string> = {}) {
  const json = join(directory, 'report.json');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, '--quick', '--runs', '1', '--json', json, ...options],
    { encoding: 'utf8', env: { ...process.env, TMPDIR: directory, ...environment } },
  );
  const report = () => JSON.parse(readFileSync(json, 'utf8')) as Report;
  return { status, stdout, stderr, report };
}

/** A program in the way of the real one of that name. */
function broken(name: string): Record<string, string> {
  const bin = mkdtempSync(join(directory, 'bin-'));
  chmodSync(directory, 0o755);
  writeFileSync(join(bin, name), '#!/bin/sh\necho broken on purpose >&2\nexit 3\n', {
    mode: 0o755,
  });
  return { PATH: `${bin}:${process.env.PATH}` };
}

/** What a run may leave behind: its report and what the test has put there. */
function leftovers(): string[] {
  return readdirSync(directory).filter(
    (name) => name !== 'report.json' && !name.startsWith('bin-'),
  );
}

test('the whole benchmark gives every figure of every peer, and says which goals are missed', () => {
  chmodSync(directory, 0o755);
  const { status, stdout, stderr, report } = bench([]);
  expect(stderr).not.toContain('bench:');
  expect(status).toBe(0);
  const { sections } = report();
  expect(sections.map(({ name }) => name)).toEqual([
    'build',
    'pull',
    'start',
    'numpy',
    'find',
    'read',
    'trace',
    'random',
  ]);
  for (const { name, tables, goals } of sections) {
    expect(tables.length, name).toBeGreaterThan(0);
    expect(goals.length, name).toBeGreaterThan(0);
    for (const { columns, rows } of tables) {
      expect(rows.length, name).toBeGreaterThan(1);
      for (const row of rows) {
        for (const { key } of columns) {
          const figure = row[key];
          expect(figure, `${name}: ${key} of ${JSON.stringify(row)}`).not.toBeUndefined();
          expect(typeof figure === 'number' ? figure > 0 : true).toBe(true);
        }
      }
    }
    for (const goal of goals) {
      expect(goal.figure, goal.name).toBeGreaterThan(0);
      expect(goal.reached).toBe(
        goal.bound === 'at most' ? goal.figure <= goal.limit : goal.figure >= goal.limit,
      );
      expect(stdout).toContain(`- ${goal.reached ? 'reached' : 'MISSED'}: ${goal.name}: `);
    }
  }
  const mounts = sections.filter(({ name }) => name === 'find' || name === 'read');
  for (const { rows } of mounts.flatMap(({ tables }) => tables)) {
    expect(rows.map(({ name }) => name)).toEqual(['rundle', 'kernel squashfs', 'squashfuse_ll']);
    expect(rows.map(({ memory }) => memory === null)).toEqual([false, true, false]);
  }
  expect(stdout).toContain('the figures mean nothing');
  expect(leftovers()).toEqual([]);
});

test('a section that cannot be measured says why, the others are there, and the status is 1', () => {
  const { status, stdout, stderr, report } = bench(['--only', 'read,build'], broken('makeself'));
  expect(status).toBe(1);
  expect(stdout).toMatch(
    /NOT MEASURED: build 1\/1: makeself --zstd: .*status 3\nbroken on purpose/,
  );
  expect(stderr).toMatch(/bench: build 1\/1: makeself --zstd: .*status 3/);
  expect(stdout).toContain('- NOT MEASURED: Build\n');
  expect(report().sections.map(({ name, error }) => [name, error === undefined])).toEqual([
    ['build', false],
    ['read', true],
  ]);
  expect(leftovers()).toEqual([]);
});

test('a peer that ends without a mount, or a program that fails, is an error, not a figure', () => {
  const mount = bench(['--only', 'find'], broken('squashfuse_ll'));
  expect(mount.status).toBe(1);
  expect(mount.stdout).toMatch(/squashfuse_ll: squashfuse_ll .*status 3\nbroken on purpose/);
  const start = bench(['--only', 'numpy'], broken('bwrap'));
  expect(start.status).toBe(1);
  expect(start.stdout).toMatch(/start bwrap .*status 3\nbroken on purpose/);
  expect(leftovers()).toEqual([]);
});

test('an interruption ends what was started, unmounts, and is no success', async () => {
  chmodSync(directory, 0o755);
  const child = spawn(process.execPath, [program, '--quick', '--runs', '99', '--only', 'find'], {
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    // Once: a second signal ends Node when it has taken its handlers back.
    if (!child.killed && text.includes('squashfuse_ll')) {
      child.kill('SIGTERM');
    }
    printed += text;
  });
  const [status] = await once(child, 'close');
  expect(status).toBe(1);
  expect(printed).toMatch(/^bench: find 1\/99: .*: interrupted$/m);
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(directory);
  expect(leftovers()).toEqual([]);
});

test('what cannot be understood is refused before anything is measured', () => {
  for (const [option, value, reason] of [
    ['--runs', '0', 'whole number'],
    ['--only', 'find,sleep', 'not sleep'],
    ['--speed', '9', 'speed'],
  ] as const) {
    const { status, stdout, stderr } = bench([option, value]);
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`^bench: .*${reason}`, 'm'));
    expect(stdout).toBe('');
  }
});
