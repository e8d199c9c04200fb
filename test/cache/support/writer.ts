import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Place } from './place.js';

const script = new URL('writer.mjs', import.meta.url).pathname;

/** Another process that uses the cache: writer.mjs. */
export interface Writer {
  child: ChildProcess;
  /** The next line that it prints. */
  says(): Promise<string>;
  order(text: string): void;
  /** Ends it without a chance to tidy up, and waits until it is gone. */
  kill(): Promise<void>;
}

export function startWriter(
  place: Place,
  blob: { bytes: Buffer; digest: string; hex: string },
  first: number,
  stall = '',
): Writer {
  const file = place.path(`${blob.hex}.bytes`);
  writeFileSync(file, blob.bytes);
  const cache = place.settings.directory ?? '';
  const child = spawn(
    process.execPath,
    [script, cache, place.path('fallback'), blob.digest, file, String(first), stall],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[
    Symbol.asyncIterator
  ]();
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    child,
    says: async () => String((await lines.next()).value),
    order: (text) => void child.stdin?.write(`${text}\n`),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
