import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeBundle } from '../../stub/sample-bundle.js';

const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const machine = architecture === 'aarch64' ? 183 : 62;
const stub = fileURLToPath(new URL('../../../stub/', import.meta.url));

/** The compiler's words for a small static program of the launcher's kind. */
export function compileC(output: string, sources: readonly string[], ...options: string[]): string {
  const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-O1', '-Wall', '-Wextra', '-Werror', '-static'];
  const own = fileURLToPath(new URL('../', import.meta.url));
  const files = sources.map((name) => join(name.startsWith('support/') ? own : stub, name));
  execFileSync('musl-gcc', [...flags, `-I${stub}`, ...options, '-o', output, ...files, '-pthread']);
  return output;
}

export interface Workbench {
  /** A directory for everything, searchable by all. */
  directory: string;
  /** Writable by all, where temporary trees go: TMPDIR of the starts. */
  scratch: string;
  launcher: string;
  remove: () => void;
}

/** A directory with a launcher of its own, which every user may start. */
export function makeWorkbench(): Workbench {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-workbench-'));
  chmodSync(directory, 0o755);
  const scratch = join(directory, 'scratch');
  mkdirSync(scratch);
  chmodSync(scratch, 0o1777);
  const launcher = join(directory, 'launcher');
  copyFileSync(
    fileURLToPath(new URL(`../../../dist/launchers/${architecture}`, import.meta.url)),
    launcher,
  );
  chmodSync(launcher, 0o755);
  return {
    directory,
    scratch,
    launcher,
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Make a root file system with busybox as every command it knows, and what most images have in /etc. */
export function makeTree(directory: string): string {
  for (const folder of ['bin', 'etc', 'proc', 'sys', 'dev', 'tmp', 'run', 'root', 'home', 'var']) {
    mkdirSync(join(directory, folder), { recursive: true });
  }
  copyFileSync('/usr/bin/busybox', join(directory, 'bin/busybox'));
  execFileSync('ln', ['-s', '/run', join(directory, 'var/run')]);
  execFileSync('ln', ['-s', '/run/lock', join(directory, 'var/lock')]);
  execFileSync('chroot', [directory, '/bin/busybox', '--install', '-s', '/bin']);
  writeFileSync(join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(directory, 'etc/group'), 'root:x:0:\n');
  return directory;
}

let bundles = 0;

/** A bundle of the tree in `directory`; `entries` are further entries of the launch config. */
export function pack(
  bench: Workbench,
  directory: string,
  entries: readonly string[] = [],
  replaced: Readonly<Record<string, string>> = {},
): string {
  const number = bundles++;
  const image = join(bench.directory, `payload-${number}`);
  execFileSync(
    'mksquashfs',
    [directory, image, '-comp', 'zstd', '-no-progress', '-quiet', '-no-exports', '-noappend'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [inodes = '0'] = execFileSync('sh', ['-c', 'find "$1" | wc -l', 'sh', directory], {
    encoding: 'utf8',
  }).split('\n');
  const size = Number(
    execFileSync('du', ['-sb', '--apparent-size', directory], { encoding: 'utf8' }).split('\t')[0],
  );
  const config: Record<string, string> = {
    arch: architecture,
    payload: '0',
    root: '/',
    id: number.toString(16).padStart(64, '0'),
    size: String(size),
    inodes: inodes.trim(),
    name: `bundle-${number}`,
    workdir: '/',
    ...replaced,
  };
  const lines = [...Object.entries(config).map(([key, value]) => `${key}=${value}`)];
  const bytes = Buffer.from(
    [...lines, 'env=PATH=/bin', ...entries].map((line) => `${line}\0`).join(''),
  );
  const path = join(bench.directory, `bundle-${number}.run`);
  writeFileSync(
    path,
    makeBundle([
      { kind: 1, bytes: Buffer.from('#!/bin/sh\n') },
      { kind: 3, flags: 1, bytes: readFileSync(image), align: 65536 },
      { kind: 4, arch: machine, flags: 1, bytes },
    ]),
  );
  rmSync(image);
  return path;
}

export interface Ended {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  pid: number;
}

export interface Running {
  pid: number;
  ended: Promise<Ended>;
  stdout: () => string;
  /** Write to standard input. */
  write: (text: string) => void;
}

/** Words that make what follows run as an ordinary user. */
export const asUser = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];

/** The two kinds of callers. */
export const callers = [
  { caller: 'root', uid: 0, prefix: [] as string[] },
  { caller: 'an ordinary user', uid: 12345, prefix: asUser },
] as const;

/** The two kinds of callers, and each way to start. */
export const callersAndTiers = callers.flatMap((one) =>
  ['mount', 'extract'].map((tier) => ({ ...one, tier })),
);

/** Start a command line with a small environment of its own. */
export function launch(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  options: { cwd?: string; detached?: boolean } = {},
): Running {
  const [command = '', ...rest] = argv;
  const child = spawn(command, rest, {
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', ...environment },
    stdio: 'pipe',
    ...options,
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (bytes: Buffer) => {
    stdout += bytes.toString('latin1');
  });
  child.stderr?.on('data', (bytes: Buffer) => {
    stderr += bytes.toString('latin1');
  });
  child.stdin?.on('error', () => {});
  const pid = child.pid ?? -1;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr, pid }));
  });
  return { pid, ended, stdout: () => stdout, write: (text) => child.stdin?.write(text) };
}

/** What the driver `pieces` is made of. */
export const piecesSources = [
  'support/pieces.c',
  'mount_spec.c',
  'mount_options.c',
  'substitute.c',
  'path_inside.c',
  'mount_table.c',
  'remove_tree.c',
  'storage.c',
  'stale_trees.c',
  'tree_lock.c',
  'container_processes.c',
  'fault.c',
];

/** Wait until `condition` holds; fails after 20 s, naming what was waited for. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited 20 s for ${what}`);
    await sleep(5);
  }
}

/** Names that starts have left in `directory`. */
export function leftIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('.rundle-'));
}

/** What starts leave in `directory` for good: waits until it is nothing, at most 20 s. */
export async function settled(directory: string): Promise<string[]> {
  const end = Date.now() + 20_000;
  while (leftIn(directory).length > 0 && Date.now() < end) await sleep(20);
  return leftIn(directory);
}
