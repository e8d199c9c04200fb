import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { remove } from 'fs-extra/esm';
import { RundleError, reasonOf } from './errors.js';

const pending = new Set<string>();
let removesAtExit = false;

/**
 * Runs `use` with a new private directory (0700, below $TMPDIR) and removes it afterwards, also when the process ends
 * by `process.exit` in between. Throws E_OUTPUT when it cannot be made, and what `use` throws.
 */
export async function withTemporaryDirectory<T>(use: (path: string) => Promise<T>): Promise<T> {
  const parent = tmpdir();
  let path: string;
  try {
    // Nothing can come between making it and remembering it.
    path = mkdtempSync(join(parent, 'rundle-'));
  } catch (cause) {
    throw new RundleError(
      'E_OUTPUT',
      `making a temporary directory in ${parent}: ${reasonOf(cause)}`,
      { cause, hint: 'set TMPDIR to a directory you can write to' },
    );
  }
  pending.add(path);
  if (!removesAtExit) process.once('exit', removeTemporaryDirectories);
  removesAtExit = true;
  try {
    return await use(path);
  } finally {
    await remove(path).catch(() => undefined);
    pending.delete(path);
  }
}

/** Removes what is in use now. Worker threads may still be writing there, so it tries more than once. Never throws. */
function removeTemporaryDirectories(): void {
  for (const path of pending) {
    try {
      rmSync(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
    } catch {
      // Nothing is left that could be done about it.
    }
  }
}
