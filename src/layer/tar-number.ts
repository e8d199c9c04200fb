import { RundleError } from '../errors.js';

/**
 * A numeric header field: octal digits with blanks or NULs around them (POSIX ustar), or, when its first bit is
 * set, a two's complement number in base 256 (GNU). Empty is 0. `what` names the field and archive for
 * messages. Throws E_FORMAT, also when the number is not exact in a double.
 */
export function parseNumber(field: Uint8Array, what: string): number {
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) return parseBase256(field, first, what);
  let start = 0;
  let end = field.length;
  while (start < end && isBlank(field[start])) start += 1;
  while (end > start && isBlank(field[end - 1])) end -= 1;
  let value = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (field[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) throw invalid(what);
    value = value * 8 + digit;
  }
  if (!Number.isSafeInteger(value)) throw invalid(what);
  return value;
}

function parseBase256(field: Uint8Array, first: number, what: string): number {
  const negative = (first & 0x40) !== 0;
  let value = negative ? BigInt((first & 0x7f) - 0x80) : BigInt(first & 0x3f);
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
  const exact = Number(value);
  if (!Number.isSafeInteger(exact)) throw invalid(what);
  return exact;
}

/** Decimal digits, as in PAX records. Throws E_FORMAT. */
export function parseDecimal(text: string, what: string): number {
  const value = /^\d{1,20}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalid(what);
  return value;
}

/** A PAX time: decimal seconds, perhaps negative, perhaps with a fraction; rounded down. Throws E_FORMAT. */
export function parseTime(text: string, what: string): number {
  const parts = /^(-?)(\d{1,20})(?:\.(\d*))?$/.exec(text);
  if (parts === null) throw invalid(what);
  const whole = Number(parts[2]);
  const fraction = /[1-9]/.test(parts[3] ?? '');
  const value = parts[1] === '-' ? -whole - (fraction ? 1 : 0) : whole;
  if (!Number.isSafeInteger(value)) throw invalid(what);
  return value + 0;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}

function invalid(what: string): RundleError {
  return new RundleError('E_FORMAT', `${what} is not a number that can be used`);
}
