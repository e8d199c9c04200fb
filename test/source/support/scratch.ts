import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSource } from '#rundle/source/open.js';
import type { LoadedSource } from '#rundle/source/source.js';
import type { SourceContext } from '#rundle/source/transport.js';

/** A private directory for one test file, and sources opened in it. */
export interface Scratch {
  path: (...names: string[]) => string;
  load: (specification: string, context?: Partial<SourceContext>) => Promise<LoadedSource>;
  remove: () => void;
}

export function makeScratch(): Scratch {
  const top = mkdtempSync(join(tmpdir(), 'rundle-test-'));
  let loads = 0;
  return {
    path: (...names) => join(top, ...names),
    load: (specification, context) => {
      loads += 1;
      const spoolDirectory = join(top, `spool-${loads}`);
      mkdirSync(spoolDirectory, { mode: 0o700 });
      return loadSource(specification, { spoolDirectory, ...context });
    },
    remove: () => rmSync(top, { recursive: true, force: true }),
  };
}

/** Runs a program and gives its standard output; what it says on standard error is in the exception if it fails. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
  });
}

/** Runs lines of sh with `set -eu` in `directory`. */
export function shell(directory: string, script: string, ...args: string[]): string {
  return execFileSync('sh', ['-euc', script, 'sh', ...args], {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The error that `action` is rejected with, as `CODE message`. */
export async function faultOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    const { code, message, hint } = error as { code?: string; message: string; hint?: string };
    return `${code} ${message}${hint ? ` | ${hint}` : ''}`;
  }
  throw new Error('nothing went wrong');
}
