import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { machine } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { encodeConfig, least } from '../../launcher/support/front.js';
import { handMadeBundle } from '../../launcher/support/hand-made-bundle.js';
import { type Ended, launch, makeWorkbench } from '../../launcher/support/workbench.js';

export const architecture = machine() === 'arm64' ? 'aarch64' : machine();
export const bench = makeWorkbench();
afterAll(() => bench.remove());
const tree = join(bench.directory, 'tree');
mkdirSync(join(tree, 'bin'), { recursive: true });
execFileSync('cp', ['/usr/bin/busybox', join(tree, 'bin/true')]);
const image = join(bench.directory, 'payload');
execFileSync('mksquashfs', [tree, image, '-comp', 'zstd', '-no-progress', '-quiet', '-no-exports']);
const payload = readFileSync(image);

let bundles = 0;
/** A bundle that needs these things and says nothing when it starts. */
function bundle(...needs: string[]): string {
  const entries = [`arch=${architecture}`, ...least.slice(1), 'cmd=/bin/true'];
  const config = encodeConfig([...entries, ...needs.map((need) => `require=${need}`)]);
  const path = join(bench.directory, `${bundles++}.run`);
  writeFileSync(path, handMadeBundle({ config, payload }));
  return path;
}

export interface Situation {
  /** Words before the launcher. */
  prefix?: readonly string[];
  environment?: Record<string, string>;
  options?: readonly string[];
}

/** Start a bundle that needs `needs`. */
export function start(needs: readonly string[], situation: Situation = {}): Promise<Ended> {
  const { prefix = [], environment = {}, options = [] } = situation;
  return launch(
    [...prefix, bench.launcher, 'installed', '0', bundle(...needs), ...options],
    { TMPDIR: bench.scratch, ...environment },
    { cwd: '/' },
  ).ended;
}

/** What a start found that does not have all of `needs`; fails when it started. */
export async function found(need: string, situation?: Situation): Promise<string> {
  const { status, stdout, stderr } = await start([need], situation);
  const [, requirement, what = ''] =
    /^rundle: the bundle needs (.*), found: (.*)$/m.exec(stderr) ?? [];
  expect([status, stdout, requirement], stderr).toEqual([125, '', need]);
  expect(stderr).toMatch(/\n {2}.*\n {2}--ignore-requirements starts it anyway\n$/);
  return what;
}

export async function expectMet(need: string, situation?: Situation): Promise<void> {
  expect(await start([need], situation), need).toMatchObject({ status: 0, stdout: '', stderr: '' });
}

/** The bytes that "23.5 GiB ..." says. */
function amount(text: string): number {
  const [, number, unit = ''] = /^([\d.]+) (bytes|KiB|MiB|GiB|TiB)/.exec(text) ?? [];
  return Number(number) * 1024 ** ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'].indexOf(unit);
}

export const near = (bytes: number, text: string) =>
  expect(Math.abs(amount(text) / bytes - 1), `${text} for ${bytes}`).toBeLessThan(0.05);

/** Words that run a script, which may mount as it likes, before the words that follow. */
export const inside = (script: string, ...words: string[]) => [
  ...['unshare', '-m', 'sh', '-ec', `${script}\nexec "$@"`, 'sh'],
  ...words,
];
