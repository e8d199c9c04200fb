import { damagedData } from './damage.js';

/**
 * The LZMA decoder (LZMA SDK, lzma-specification.txt). A probability is the chance of a 0 bit in 2048ths; all of them lie in one array,
 * in groups that begin at these places.
 */
const STATES = 12;
const POSITION_STATES = 16;
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POSITION_STATES;
const IS_REP_G0 = IS_REP + STATES;
const IS_REP_G1 = IS_REP_G0 + STATES;
const IS_REP_G2 = IS_REP_G1 + STATES;
const IS_REP0_LONG = IS_REP_G2 + STATES;
const SLOT = IS_REP0_LONG + STATES * POSITION_STATES;
const SPECIAL = SLOT + 4 * 64;
const ALIGN = SPECIAL + 115;
const MATCH_LENGTH = ALIGN + 16;
const LENGTH_LOW = 2;
const LENGTH_MIDDLE = LENGTH_LOW + POSITION_STATES * 8;
const LENGTH_HIGH = LENGTH_MIDDLE + POSITION_STATES * 8;
const LENGTH_SIZE = LENGTH_HIGH + 256;
const REP_LENGTH = MATCH_LENGTH + LENGTH_SIZE;
const LITERAL = REP_LENGTH + LENGTH_SIZE;
const LITERAL_SIZE = 0x300;

/** LZMA2 allows at most 4 bits of context and position for literals together. */
const MAX_LITERAL_BITS = 4;
const TOTAL = LITERAL + (LITERAL_SIZE << MAX_LITERAL_BITS);

const EVEN = 1024;
const TOP = 2 ** 24;

/** Decodes the chunks of LZMA2 into a buffer that is its dictionary too. */
export class LzmaDecoder {
  /** Bytes in the output so far. */
  position = 0;
  readonly #input: Buffer;
  readonly #output: Buffer;
  readonly #odds = new Uint16Array(TOTAL);
  /** The range coder's range and code: typed, so that both stay 32-bit numbers without a sign. */
  readonly #coder = new Uint32Array(2);
  #from = 0;
  #end = 0;
  #dictionary = 0;
  #contextBits = 0;
  #positionBits = 0;
  #positionMask = 0;
  #state = 0;
  readonly #distances = [0, 0, 0, 0];

  constructor(input: Buffer, output: Buffer) {
    this.#input = input;
    this.#output = output;
  }

  /** From here on matches do not reach behind the current position. */
  resetDictionary(): void {
    this.#dictionary = this.position;
  }

  /** Takes over a chunk's bytes as they are; they fit. */
  append(bytes: Uint8Array): void {
    this.#output.set(bytes, this.position);
    this.position += bytes.length;
  }

  /** lc, lp and pb in one byte. Throws E_FORMAT. */
  setProperties(byte: number): void {
    const contextBits = byte % 9;
    const positionBits = Math.floor(byte / 9) % 5;
    const states = Math.floor(byte / 45);
    if (states > 4 || contextBits + positionBits > MAX_LITERAL_BITS) {
      throw damagedData('xz', `a chunk has the properties ${byte}`);
    }
    this.#contextBits = contextBits;
    this.#positionBits = positionBits;
    this.#positionMask = (1 << states) - 1;
  }

  resetState(): void {
    this.#state = 0;
    this.#distances.fill(0);
    this.#odds.fill(EVEN);
  }

  /** Decodes `stored` bytes of the input at `from` into exactly `size` bytes, which fit. Throws E_FORMAT. */
  decodeChunk(from: number, stored: number, size: number): void {
    this.#from = from;
    this.#end = from + stored;
    this.#coder[0] = 0xffff_ffff;
    const first = this.#nextByte();
    let code = 0;
    for (let i = 0; i < 4; i++) code = code * 256 + this.#nextByte();
    this.#coder[1] = code;
    if (first !== 0) throw damagedData('xz', 'a chunk does not begin with zero');
    const end = this.position + size;
    while (this.position < end) this.#decodeSymbol(end);
    this.#normalize();
    if (this.#from !== this.#end || this.#coder[1] !== 0) {
      throw damagedData('xz', 'a chunk ends at another place than it says');
    }
  }

  #decodeSymbol(end: number): void {
    const positionState = (this.position - this.#dictionary) & this.#positionMask;
    const state = this.#state;
    if (this.#bit(IS_MATCH + state * POSITION_STATES + positionState) === 0) {
      this.#literal();
      return;
    }
    const distances = this.#distances;
    let length: number;
    if (this.#bit(IS_REP + state) === 0) {
      distances[3] = distances[2] as number;
      distances[2] = distances[1] as number;
      distances[1] = distances[0] as number;
      this.#state = state < 7 ? 7 : 10;
      length = this.#length(MATCH_LENGTH, positionState);
      distances[0] = this.#distance(length);
    } else {
      if (this.#bit(IS_REP_G0 + state) === 0) {
        if (this.#bit(IS_REP0_LONG + state * POSITION_STATES + positionState) === 0) {
          this.#state = state < 7 ? 9 : 11;
          this.#copy(1, end);
          return;
        }
      } else {
        this.#recall(state);
      }
      this.#state = state < 7 ? 8 : 11;
      length = this.#length(REP_LENGTH, positionState);
    }
    this.#copy(length + 2, end);
  }

  /** Brings one of the older distances to the front. */
  #recall(state: number): void {
    const distances = this.#distances;
    let chosen = distances[1] as number;
    if (this.#bit(IS_REP_G1 + state) === 1) {
      chosen = distances[2] as number;
      if (this.#bit(IS_REP_G2 + state) === 1) {
        chosen = distances[3] as number;
        distances[3] = distances[2] as number;
      }
      distances[2] = distances[1] as number;
    }
    distances[1] = distances[0] as number;
    distances[0] = chosen;
  }

  #literal(): void {
    const { position } = this;
    const before = position > this.#dictionary ? (this.#output[position - 1] as number) : 0;
    const place = (position - this.#dictionary) & ((1 << this.#positionBits) - 1);
    const context = (place << this.#contextBits) + (before >> (8 - this.#contextBits));
    const base = LITERAL + LITERAL_SIZE * context;
    let symbol = 1;
    if (this.#state >= 7) {
      // After a match: the byte that the match would have gone on with is a second context.
      let match = this.#byteBack();
      while (symbol < 0x100) {
        const matchBit = (match >> 7) & 1;
        match <<= 1;
        const bit = this.#bit(base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== matchBit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | this.#bit(base + symbol);
    this.#output[position] = symbol & 0xff;
    this.position = position + 1;
    const state = this.#state;
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }

  #byteBack(): number {
    const distance = (this.#distances[0] as number) + 1;
    this.#checkDistance(distance);
    return this.#output[this.position - distance] as number;
  }

  /** A length, less 2. */
  #length(base: number, positionState: number): number {
    if (this.#bit(base) === 0) return this.#tree(base + LENGTH_LOW + positionState * 8, 3);
    if (this.#bit(base + 1) === 0)
      return 8 + this.#tree(base + LENGTH_MIDDLE + positionState * 8, 3);
    return 16 + this.#tree(base + LENGTH_HIGH, 8);
  }

  /** A distance, less 1. */
  #distance(length: number): number {
    const slot = this.#tree(SLOT + Math.min(length, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + this.#reverseTree(SPECIAL + base - slot, bits);
    return base + this.#directBits(bits - 4) * 16 + this.#reverseTree(ALIGN, 4);
  }

  #copy(length: number, end: number): void {
    const distance = (this.#distances[0] as number) + 1;
    this.#checkDistance(distance);
    if (length > end - this.position) throw damagedData('xz', 'a match goes beyond its chunk');
    const output = this.#output;
    let { position } = this;
    for (const stop = position + length; position < stop; position++) {
      output[position] = output[position - distance] as number;
    }
    this.position = position;
  }

  #checkDistance(distance: number): void {
    const there = this.position - this.#dictionary;
    if (distance > there) {
      throw damagedData('xz', `a match ${distance} bytes back after ${there} bytes`);
    }
  }

  #tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.#bit(base + symbol);
    return symbol - (1 << bits);
  }

  #reverseTree(base: number, bits: number): number {
    let symbol = 1;
    let result = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.#bit(base + symbol);
      symbol = (symbol << 1) | bit;
      result |= bit << i;
    }
    return result;
  }

  #directBits(count: number): number {
    const coder = this.#coder;
    let result = 0;
    for (let i = 0; i < count; i++) {
      this.#normalize();
      const half = (coder[0] as number) >>> 1;
      coder[0] = half;
      const bit = (coder[1] as number) >= half ? 1 : 0;
      if (bit === 1) coder[1] = (coder[1] as number) - half;
      result = result * 2 + bit;
    }
    return result;
  }

  #bit(index: number): number {
    const coder = this.#coder;
    if ((coder[0] as number) < TOP) this.#normalize();
    const odds = this.#odds[index] as number;
    const range = coder[0] as number;
    const bound = (range >>> 11) * odds;
    if ((coder[1] as number) < bound) {
      coder[0] = bound;
      this.#odds[index] = odds + ((2048 - odds) >> 5);
      return 0;
    }
    coder[0] = range - bound;
    coder[1] = (coder[1] as number) - bound;
    this.#odds[index] = odds - (odds >> 5);
    return 1;
  }

  #normalize(): void {
    const coder = this.#coder;
    if ((coder[0] as number) >= TOP) return;
    coder[0] = (coder[0] as number) << 8;
    coder[1] = ((coder[1] as number) << 8) | this.#nextByte();
  }

  #nextByte(): number {
    if (this.#from >= this.#end) throw damagedData('xz', 'a chunk ends too early');
    return this.#input[this.#from++] as number;
  }
}
