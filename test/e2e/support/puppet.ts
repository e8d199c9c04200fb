import { execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './leftovers.js';
import type { Profile } from './profile.js';

const here = dirname(fileURLToPath(import.meta.url));

/** Errors by which the kernel tells of a file system whose server has gone or cannot read. */
export const inputOutputError = /^(ENOTCONN|EIO|ECONNABORTED)$/;

/** Put puppet.c into a root file system, as /bin/puppet and some more names, none of them read yet at a start. */
export function addPuppet(rootfs: string): void {
  mkdirSync(join(rootfs, 'bin'), { recursive: true });
  execFileSync('musl-gcc', [
    ...['-static', '-O1', '-o', join(rootfs, 'bin/puppet')],
    join(here, 'puppet.c'),
  ]);
}

/**
 * Write `count` files /data/0, /data/1, ... that cannot be compressed, each of several blocks, into a root file
 * system, and return the sum that a puppet gives for each. What is read of one brings no other into memory.
 */
export function addData(rootfs: string, count: number, size = 300_000): string[] {
  mkdirSync(join(rootfs, 'data'), { recursive: true });
  return Array.from({ length: count }, (_, index) => {
    const bytes = randomBytes(size);
    writeFileSync(join(rootfs, `data/${index}`), bytes);
    return sumOf(bytes);
  });
}

/** FNV-1a, as puppets print it. */
export function sumOf(bytes: Uint8Array): string {
  let hash = 2166136261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** A running puppet. */
export interface Puppet {
  /** The process that was started. */
  pid: number;
  /** The puppet's own pid as it sees it. */
  own: number;
  /** Give it a line and wait for its answer. */
  ask(line: string): Promise<string>;
  /** Give it a line without waiting for its answer. */
  tell(line: string): void;
  /** The answer to what it was told first, once it comes. */
  answer(): Promise<string>;
  /** Write to its standard input. */
  type(text: string): void;
  /** Exit status, or the signal that ended the process that was started. */
  ended: Promise<number | NodeJS.Signals>;
  stderr(): string;
  /** Close its standard input, at whose end it ends. */
  close(): void;
}

/** A pipe whose writing end outlives the process that reads; that of a ChildProcess goes with the process. */
function makePipe(): { read: number; write: number } {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-pipe-'));
  try {
    const path = join(directory, 'pipe');
    execFileSync('mkfifo', [path]);
    // For both, so that neither waits for the other end to be opened.
    const write = openSync(path, 'r+');
    return { read: openSync(path, 'r'), write };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Start a command line that ends in a puppet, and wait until it is ready. */
export async function startPuppet(
  profile: Profile,
  argv: readonly string[],
  options: SpawnOptions = {},
): Promise<Puppet> {
  const [command = '', ...rest] = [...profile.prefix, ...argv];
  const input = makePipe();
  const child = spawn(command, rest, { ...options, stdio: [input.read, 'pipe', 'pipe'] });
  closeSync(input.read);
  const lines: string[] = [];
  let partial = '';
  let errors = '';
  let result: number | NodeJS.Signals | undefined;
  child.stderr?.on('data', (bytes: Buffer) => {
    errors += bytes.toString('latin1');
  });
  child.stdout?.on('data', (bytes: Buffer) => {
    const parts = (partial + bytes.toString('latin1')).split(/\r?\n/);
    partial = parts.pop() ?? '';
    lines.push(...parts);
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status, signal) => {
      result = signal ?? status ?? -1;
      resolve(result);
    });
  });
  const answer = async (what: string) => {
    await until(`the answer to ${what}`, () => lines.length > 0, 60_000).catch((error: unknown) => {
      throw new Error(`${error}; ended with ${result}: ${errors}`);
    });
    return lines.shift() ?? '';
  };
  const type = (text: string) => writeSync(input.write, text);
  const tell = (line: string) => type(`${line}\n`);
  const first = await answer('the start');
  if (!first.startsWith('ready ')) throw new Error(`no puppet: ${first}`);
  return {
    pid: child.pid ?? -1,
    own: Number(first.slice('ready '.length)),
    ask: (line) => {
      tell(line);
      return answer(line);
    },
    tell,
    answer: () => answer('what it was told'),
    type,
    ended,
    stderr: () => errors,
    close: () => closeSync(input.write),
  };
}
