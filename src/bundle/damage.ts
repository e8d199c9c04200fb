import { RundleError } from '../errors.js';

const COPY_AGAIN = 'copy or download the file again';

/** E_BUNDLE: reading the bundle called `where` found `what`. */
export function damaged(where: string, what: string, hint = COPY_AGAIN): RundleError {
  return new RundleError('E_BUNDLE', `reading ${where}: ${what}`, { hint });
}

/** E_BUNDLE for a file that has `actual` bytes where `expected` were written. */
export function wrongSize(where: string, actual: number, expected: number): RundleError {
  const text =
    actual < expected
      ? `the file is truncated: it has ${actual} bytes of ${expected}, ${expected - actual} are missing`
      : `the file is extended: it has ${actual} bytes instead of ${expected}, ${actual - expected} too many`;
  return new RundleError('E_BUNDLE', `reading ${where}: ${text}`, {
    hint: COPY_AGAIN,
    details: { actual, expected },
  });
}

/** A u64 as a number. Throws E_BUNDLE beyond 2^53 - 1, which no file reaches. */
export function readSize(bytes: Buffer, at: number, where: string, field: string): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw damaged(where, `the ${field} is ${value}, which cannot be`);
  }
  return Number(value);
}
