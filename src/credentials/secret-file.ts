import { TextDecoder } from 'node:util';
import { openFile } from '../blob/file-range.js';
import { isRundleError, RundleError } from '../errors.js';

/** No file with credentials that anybody writes is larger. */
const MAX_SIZE = 1024 * 1024;

/**
 * The text of a file that holds secrets; undefined when there is no such file. Throws E_AUTH when it cannot be read; no error
 * of this folder carries a byte of the file, nor a `cause` that might.
 */
export async function readSecretFile(path: string): Promise<string | undefined> {
  const where = 'looking for credentials';
  let bytes: Buffer;
  try {
    const { handle, size } = await openFile(path, where);
    try {
      if (size > MAX_SIZE) throw unusable(path, `it has ${size} bytes, more than ${MAX_SIZE}`);
      bytes = await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (isRundleError(error, 'E_AUTH')) throw error;
    if (isRundleError(error)) throw new RundleError('E_AUTH', error.message);
    throw unusable(path, (error as NodeJS.ErrnoException).code ?? 'it cannot be read');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw unusable(path, 'it is not text in UTF-8');
  }
}

/** The error for a file with credentials that cannot be used. */
export function unusable(path: string, reason: string): RundleError {
  return new RundleError('E_AUTH', `looking for credentials in ${path}: ${reason}`, {
    hint: 'repair the file, or put it out of the way',
  });
}

function isMissing(error: unknown): boolean {
  const cause = isRundleError(error) ? error.cause : error;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
