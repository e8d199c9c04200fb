import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run, stub } from './support.js';

test('a short run of every libFuzzer target finds nothing', () => {
  const tool = new URL('./fuzz.mjs', import.meta.url).pathname;
  const { status, stdout, stderr } = run([process.execPath, tool, '--seconds', '5']);
  expect(status, stdout + stderr).toBe(0);
  const targets = readdirSync(join(stub, 'fuzz')).filter((name) => name.endsWith('.c'));
  expect(targets.length).toBeGreaterThan(3);
  for (const target of targets) {
    const line = new RegExp(`^${target.slice(0, -2)}: status 0, (\\d+) runs, (\\d+) edges`, 'm');
    const [, runs, edges] = line.exec(stdout) ?? [];
    // Otherwise the seeds did not get past the first checks.
    expect(Number(runs), stdout).toBeGreaterThan(100);
    expect(Number(edges), stdout).toBeGreaterThan(300);
  }
});
