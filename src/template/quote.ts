import { RundleError } from '../errors.js';
import type { ByteString } from '../tree/byte-string.js';

/**
 * One word of POSIX shell that stands for exactly these bytes: single quotes, inside of which nothing has a
 * meaning (XCU 2.2.2); a single quote itself leaves them for one escaped character. Throws E_TEMPLATE for NUL,
 * which no shell word can hold.
 */
export function quoteForShell(bytes: ByteString): ByteString {
  if (bytes.includes('\0')) {
    throw new RundleError('E_TEMPLATE', 'quoting a value for the shell: it holds a NUL byte');
  }
  return `'${bytes.replaceAll("'", "'\\''")}'` as ByteString;
}
