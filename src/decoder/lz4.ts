import { damagedData } from './damage.js';

/** A match has at least this many bytes; a token counts from there. */
const MIN_MATCH = 4;
/** A length of 15 in a token's half goes on in further bytes. */
const LONG = 15;

/** Decodes one LZ4 block (lz4_Block_format.md): tokens, literals and matches, without frame or checksum. A `Decode`. */
export function decodeLz4(stored: Uint8Array, limit: number): Uint8Array {
  const output = Buffer.allocUnsafe(limit);
  let from = 0;
  let to = 0;

  const lengthAfter = (half: number): number => {
    let length = half;
    if (half < LONG) return length;
    for (;;) {
      const more = stored[from++];
      if (more === undefined) throw damagedData('lz4', 'it ends within a length');
      length += more;
      // Longer than everything: no need to read a length of any size to its end.
      if (length > limit) throw damagedData('lz4', `it has more than ${limit} bytes`);
      if (more < 255) return length;
    }
  };

  for (;;) {
    const token = stored[from++];
    if (token === undefined) throw damagedData('lz4', 'it ends without literals');
    const literals = lengthAfter(token >> 4);
    if (literals > stored.length - from) throw damagedData('lz4', 'it ends within literals');
    if (literals > limit - to) throw damagedData('lz4', `it has more than ${limit} bytes`);
    output.set(stored.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    // The last sequence has no match.
    if (from === stored.length) return output.subarray(0, to);
    if (from + 2 > stored.length) throw damagedData('lz4', 'it ends within a distance');
    const distance = (stored[from] as number) | ((stored[from + 1] as number) << 8);
    from += 2;
    const length = lengthAfter(token & 15) + MIN_MATCH;
    if (distance === 0 || distance > to) {
      throw damagedData('lz4', `a match ${distance} bytes back after ${to} bytes`);
    }
    if (length > limit - to) throw damagedData('lz4', `it has more than ${limit} bytes`);
    to = copyMatch(output, to, distance, length);
  }
}

/**
 * Repeats `length` bytes of `output` from `distance` before `to`, and gives the position behind them. The match may reach into what it
 * writes: then it repeats a pattern. Both must lie within `output`, which the caller has checked.
 */
export function copyMatch(output: Buffer, to: number, distance: number, length: number): number {
  if (distance >= length && length > 32) {
    output.copyWithin(to, to - distance, to - distance + length);
    return to + length;
  }
  const end = to + length;
  for (let at = to; at < end; at++) output[at] = output[at - distance] as number;
  return end;
}
