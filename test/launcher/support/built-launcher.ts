import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { encodeConfig, least } from './front.js';
import { handMadeBundle, type Parts } from './hand-made-bundle.js';

/** Of this machine, as launchers are named. */
export const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const built = fileURLToPath(new URL(`../../../dist/launchers/${architecture}`, import.meta.url));

/** A directory of this test file's own, with a copy of the built launcher in it. */
export const place = mkdtempSync(join(tmpdir(), 'rundle-launcher-test-'));
export const launcher = join(place, 'launcher');
chmodSync(place, 0o755);
copyFileSync(built, launcher);
chmodSync(launcher, 0o755);
afterAll(() => rmSync(place, { recursive: true, force: true }));

let bundles = 0;
/** A bundle whose launch config has `entries` in place of the least ones of the same key. */
export function bundle(
  entries: readonly (string | Buffer)[] = [],
  parts: Partial<Parts> = {},
): string {
  const keys = entries.map((entry) => entry.toString('latin1').split('=')[0]);
  const own = [`arch=${architecture}`, ...least.slice(1)];
  const rest = own.filter((entry) => !keys.includes(entry.split('=')[0]));
  const added = entries.flatMap((entry) => [Buffer.from(entry), Buffer.alloc(1)]);
  const path = join(place, `${bundles++}.run`);
  writeFileSync(
    path,
    handMadeBundle({ config: Buffer.concat([encodeConfig(rest), ...added]), ...parts }),
  );
  return path;
}

/** Run a command line with this environment and no other. */
export function run(argv: readonly string[], environment: Record<string, string> = {}) {
  const ended = spawnSync(argv[0] ?? '', argv.slice(1), {
    env: environment,
    encoding: 'latin1',
    timeout: 20_000,
  });
  return { status: ended.status, signal: ended.signal, stdout: ended.stdout, stderr: ended.stderr };
}
/** Start a bundle by the launcher, as an installed one does. */
export const start = (path: string, ...argv: string[]) =>
  run([launcher, 'installed', '0', path, ...argv]);
