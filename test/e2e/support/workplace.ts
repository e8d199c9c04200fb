import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
export const repository = join(here, '../../..');
export const rundle = [process.execPath, join(repository, 'dist/cli.js')] as const;

/** A directory that every test user can enter, with a scratch place for trees that only these tests use. */
export interface Workplace {
  directory: string;
  /** TMPDIR for started bundles: world-writable and sticky like /tmp, so that leftovers can be counted. */
  scratch: string;
  remove(): void;
}

export function makeWorkplace(): Workplace {
  // As udev leaves it on every distribution; a machine without udev keeps it to root.
  chmodSync('/dev/fuse', 0o666);
  const directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
  chmodSync(directory, 0o755);
  const scratch = join(directory, 'scratch');
  mkdirSync(scratch);
  chmodSync(scratch, 0o1777);
  return {
    directory,
    scratch,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** A small root file system: static busybox with its applets, the witness program and an /etc. */
export function makeRootfs(directory: string): void {
  for (const name of ['bin', 'etc', 'home', 'root', 'opt/data', 'tmp', 'usr/bin']) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  copyFileSync('/bin/busybox', join(directory, 'bin/busybox'));
  const applets = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n');
  for (const applet of applets) {
    if (applet !== 'busybox') symlinkSync('busybox', join(directory, 'bin', applet));
  }
  execFileSync('musl-gcc', [
    '-static',
    '-O1',
    '-o',
    join(directory, 'bin/witness'),
    join(here, 'witness.c'),
  ]);
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(directory, 'etc/group'), 'root:x:0:\n');
  writeFileSync(join(directory, 'opt/data/file'), 'from the image\n');
  mkdirSync(join(directory, 'opt/closed'));
  writeFileSync(join(directory, 'opt/closed/file'), 'inside\n');
  chmodSync(join(directory, 'opt/closed'), 0o555);
}

/** Build `bundle` from `source`; throws with rundle's own words when it fails. */
export function build(source: string, bundle: string, ...options: string[]): void {
  const [node, cli] = rundle;
  execFileSync(node, [cli, 'build', source, '-o', bundle, '--quiet', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
