import { damagedData } from './damage.js';
import { copyMatch } from './lz4.js';

/** Distance of the instruction that ends the data. */
const END = 16_384;

/**
 * Decodes one LZO1X block, as the kernel's Documentation/staging/lzo.rst describes it (bitstream version 0, what
 * squashfs-tools write). A `Decode`.
 *
 * `state` says how many literals the instruction before copied, 0 to 3, or 4 for four and more: instructions below 16 mean
 * something else each time.
 */
export function decodeLzo(stored: Uint8Array, limit: number): Uint8Array {
  const reader = new LzoReader(stored, limit);
  const first = stored[0];
  let state = 0;
  if (first !== undefined && first > 17) {
    reader.from = 1;
    reader.copyLiterals(first - 17);
    state = Math.min(first - 17, 4);
  }
  for (;;) {
    const code = reader.next();
    let distance: number;
    let length: number;
    let literals: number;
    if (code < 16) {
      if (state === 0) {
        reader.copyLiterals(3 + reader.length(code, 15));
        state = 4;
        continue;
      }
      literals = code & 3;
      distance = (reader.next() << 2) + (code >> 2) + (state === 4 ? 2049 : 1);
      length = state === 4 ? 3 : 2;
    } else if (code < 64) {
      const far = code < 32;
      length = 2 + (far ? reader.length(code & 7, 7) : reader.length(code & 31, 31));
      const low = reader.next();
      const word = low | (reader.next() << 8);
      literals = word & 3;
      distance = (word >> 2) + (far ? END + ((code & 8) << 11) : 1);
      if (far && distance === END) return reader.finished(length);
    } else {
      literals = code & 3;
      distance = (reader.next() << 3) + ((code >> 2) & 7) + 1;
      length = code < 128 ? 3 + ((code >> 5) & 1) : 5 + ((code >> 5) & 3);
    }
    reader.copyMatch(distance, length);
    reader.copyLiterals(literals);
    state = literals;
  }
}

class LzoReader {
  from = 0;
  readonly #stored: Uint8Array;
  readonly #output: Buffer;
  #to = 0;

  constructor(stored: Uint8Array, limit: number) {
    this.#stored = stored;
    this.#output = Buffer.allocUnsafe(limit);
  }

  next(): number {
    const byte = this.#stored[this.from++];
    if (byte === undefined) throw damagedData('lzo', 'it has no end');
    return byte;
  }

  /** A length whose bits in the instruction are `bits`; zero means that it goes on behind it, from `base`. */
  length(bits: number, base: number): number {
    if (bits !== 0) return bits;
    let length = base;
    for (;;) {
      const more = this.next();
      if (more !== 0) return length + more;
      length += 255;
      // Longer than everything: no need to read a length of any size to its end.
      if (length > this.#output.length) throw this.#tooLong();
    }
  }

  copyLiterals(count: number): void {
    if (count > this.#stored.length - this.from) {
      throw damagedData('lzo', 'it ends within literals');
    }
    if (count > this.#output.length - this.#to) throw this.#tooLong();
    const end = this.#to + count;
    if (count > 16) {
      this.#output.set(this.#stored.subarray(this.from, this.from + count), this.#to);
      this.from += count;
      this.#to = end;
      return;
    }
    while (this.#to < end) this.#output[this.#to++] = this.#stored[this.from++] as number;
  }

  copyMatch(distance: number, length: number): void {
    if (distance > this.#to) {
      throw damagedData('lzo', `a match ${distance} bytes back after ${this.#to} bytes`);
    }
    if (length > this.#output.length - this.#to) throw this.#tooLong();
    this.#to = copyMatch(this.#output, this.#to, distance, length);
  }

  /** What was decoded; the end instruction has a length of 3 and nothing follows it. */
  finished(length: number): Uint8Array {
    if (length !== 3 || this.from !== this.#stored.length) {
      throw damagedData('lzo', `${this.#stored.length - this.from} bytes follow its end`);
    }
    return this.#output.subarray(0, this.#to);
  }

  #tooLong(): Error {
    return damagedData('lzo', `it has more than ${this.#output.length} bytes`);
  }
}
