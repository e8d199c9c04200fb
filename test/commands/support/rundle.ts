import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildOciLayout, type ConfigSource } from '../../fixtures/image-builder.js';
import { type EntryFields, tarArchive } from '../../layer/tar-builder.js';

export const cli = new URL('../../../dist/cli.js', import.meta.url).pathname;

/** A private directory for one test file, with a TMPDIR of its own in which leftovers can be counted. */
export interface Workspace {
  directory: string;
  path: (...names: string[]) => string;
  /** What rundle has left in TMPDIR. */
  leftovers: () => string[];
  remove: () => void;
}

export function makeWorkspace(): Workspace {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-commands-'));
  mkdirSync(join(directory, 'tmp'));
  return {
    directory,
    path: (...names) => join(directory, ...names),
    leftovers: () => readdirSync(join(directory, 'tmp')),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export interface Ended {
  status: number | string;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** The whole command instead of node and the command line. */
  through?: (node: string, cli: string) => [string, ...string[]];
}

/** Starts rundle in the workspace. */
export function start(
  workspace: Workspace,
  args: readonly string[],
  options: RunOptions = {},
): ChildProcess {
  const [program, ...before] = options.through?.(process.execPath, cli) ?? [process.execPath, cli];
  return spawn(program, [...before, ...args], {
    cwd: options.cwd ?? workspace.directory,
    env: {
      PATH: process.env.PATH,
      HOME: workspace.directory,
      TMPDIR: workspace.path('tmp'),
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** What a started process printed, and how it ended. */
export async function end(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString('utf8');
  });
  const status = await new Promise<number | string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? ''));
  });
  return { status, stdout, stderr };
}

/** Runs rundle in the workspace. */
export function rundle(
  workspace: Workspace,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  return end(start(workspace, args, options));
}

/** An OCI layout of one layer. */
export function image(
  workspace: Workspace,
  name: string,
  entries: EntryFields[],
  config: ConfigSource = {},
): string {
  const path = workspace.path(name);
  buildOciLayout(path, [{ tar: tarArchive(entries), compression: 'gzip' }], config);
  return `oci:${path}`;
}

/** A few entries that every small image has. */
export const smallTree: EntryFields[] = [
  { name: './', type: '5', mode: 0o755, mtime: 1_700_000_000 },
  { name: 'bin/', type: '5', mode: 0o755, mtime: 1_700_000_000 },
  { name: 'bin/app', content: '#!/bin/sh\necho hello\n', mode: 0o755, mtime: 1_700_000_001 },
  { name: 'text', content: 'some text\n'.repeat(500), mtime: 1_700_000_002 },
];
