import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  callersAndTiers,
  launch,
  makeTree,
  makeWorkbench,
  pack,
  settled,
  type Workbench,
} from './support/workbench.js';

const terminal = fileURLToPath(new URL('support/terminal.py', import.meta.url));
let bench: Workbench;
let bundle: string;

beforeAll(() => {
  bench = makeWorkbench();
  const tree = join(bench.directory, 'tree');
  mkdirSync(tree);
  bundle = pack(bench, makeTree(tree), ['cmd=/bin/sh']);
});
afterAll(() => bench?.remove());

describe.each(callersAndTiers)('a job of a shell, as $caller, tier $tier', ({ prefix, tier }) => {
  test.each([
    ['the program itself', []],
    ['with --pid', ['--pid']],
  ])('stops, goes on and is interrupted: %s', async (_name, words) => {
    const start = [bench.launcher, 'installed', '0', bundle, '--mode', tier, '-q', ...words, 'cat'];
    const ended = await launch([...prefix, '/usr/bin/python3', terminal, ...start], {
      TMPDIR: bench.scratch,
    }).ended;
    expect(ended).toMatchObject({
      stderr: '',
      stdout: 'runs\nstops\ngoes on\nis interrupted\n',
    });
    expect(await settled(bench.scratch)).toEqual([]);
  });
});
