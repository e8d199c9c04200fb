import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { compileC, launch, makeTree, makeWorkbench, pack } from './workbench.js';

/** What tests of the container start: one bundle with a full /etc, one with next to nothing. */
export const bench = makeWorkbench();
afterAll(() => bench.remove());

/** Runs a command line with a system call refused. */
export const without = compileC(join(bench.directory, 'without'), ['support/without.c']);

const tree = join(bench.directory, 'tree');
mkdirSync(tree);
makeTree(tree);
mkdirSync(join(tree, 'etc/apt/apt.conf.d'), { recursive: true });
writeFileSync(join(tree, 'etc/localtime'), 'TZif of the image');
export const bundle = pack(bench, tree, ['cmd=/bin/sh']);

const least = join(bench.directory, 'least');
mkdirSync(join(least, 'bin'), { recursive: true });
for (const name of ['busybox', 'sh', 'ls', 'cat', 'id', 'stat', 'touch', 'grep', 'pwd', 'test']) {
  execFileSync('cp', ['/usr/bin/busybox', join(least, 'bin', name)]);
}
export const bare = pack(bench, least, ['cmd=/bin/sh']);

/** How one caller starts a shell script in the container, in one tier. */
export function starter(prefix: readonly string[], tier: string) {
  const begin = (words: string[], script: string, environment: Record<string, string> = {}) =>
    launch(
      [
        ...[...prefix, bench.launcher, 'installed', '0', bundle, '--mode', tier],
        ...[...words, 'sh', '-c', script],
      ],
      { TMPDIR: bench.scratch, ...environment },
      { cwd: bench.directory },
    );
  return { begin, start: (...given: Parameters<typeof begin>) => begin(...given).ended };
}
