import { RundleError } from '../errors.js';

/** Zstandard's own limit for streams, and what its command line decodes without being asked to. */
export const MAX_WINDOW = 128 * 1024 * 1024;

const MAGIC = 0xfd2fb528;
const MAX_BLOCK = 128 * 1024;

/** A frame begins, and its decoder will need `window` bytes of history. */
export interface FrameStart {
  window: number;
}

/**
 * Follows the frames and blocks of a Zstandard stream (RFC 8878) without decoding them. The decoder at hand says neither where a
 * frame ends nor that one was cut off, and how much memory it needs must be known before it starts.
 */
export class ZstdFrames {
  readonly #where: string;
  #state: 'magic' | 'descriptor' | 'header' | 'block' | 'body' | 'skip-size' | 'skip' = 'magic';
  /** Bytes still to pass in `body` and `skip`. */
  #left = 0;
  #lastBlock = false;
  #hasChecksum = false;
  /** A field that is being put together from pieces. */
  #field = Buffer.alloc(0);
  #wanted = 4;
  /** Start of the current frame, held back until its window is known. */
  #held: Buffer[] = [];

  constructor(where: string) {
    this.#where = where;
  }

  /** True between two frames: here a stream may end. */
  get betweenFrames(): boolean {
    return this.#state === 'magic' && this.#field.length === 0;
  }

  /**
   * Goes over `chunk` and gives, in order, the start of each frame and the bytes that belong to it; skippable frames are left
   * out. Throws E_FORMAT, and E_UNSUPPORTED for dictionaries and windows over 128 MiB.
   */
  *walk(chunk: Buffer): Generator<FrameStart | Buffer> {
    let at = 0;
    // Start of the bytes that were passed over but not given yet.
    let from = 0;
    // A block can be empty: then it ends without a further byte.
    const ends = () => this.#left === 0 && (this.#state === 'body' || this.#state === 'skip');
    while (at < chunk.length || ends()) {
      if (this.#state === 'body' || this.#state === 'skip') {
        const count = Math.min(this.#left, chunk.length - at);
        this.#left -= count;
        at += count;
        if (this.#left > 0) break;
        if (this.#state === 'body' && !this.#lastBlock) {
          this.#expect('block', 3);
          continue;
        }
        if (this.#state === 'body' && at > from) yield chunk.subarray(from, at);
        from = at;
        this.#expect('magic', 4);
        continue;
      }
      const count = Math.min(this.#wanted - this.#field.length, chunk.length - at);
      this.#field = Buffer.concat([this.#field, chunk.subarray(at, at + count)]);
      at += count;
      if (this.#field.length < this.#wanted) break;
      const inHeader = this.#state !== 'block';
      const start = this.#onField(this.#field);
      if (inHeader) from = at;
      if (start !== undefined) {
        yield start;
        yield Buffer.concat(this.#held);
        this.#held = [];
      }
    }
    const giving = this.#state === 'block' || this.#state === 'body';
    if (giving && chunk.length > from) yield chunk.subarray(from);
  }

  #expect(state: 'magic' | 'descriptor' | 'header' | 'block' | 'skip-size', wanted: number): void {
    this.#state = state;
    this.#wanted = wanted;
    this.#field = Buffer.alloc(0);
  }

  #pass(state: 'body' | 'skip', length: number): void {
    this.#state = state;
    this.#left = length;
    this.#field = Buffer.alloc(0);
  }

  #onField(field: Buffer): FrameStart | undefined {
    switch (this.#state) {
      case 'magic': {
        const magic = field.readUInt32LE(0);
        if (magic >>> 4 === 0x184d2a5) {
          this.#expect('skip-size', 4);
        } else if (magic === MAGIC) {
          this.#held = [field];
          this.#expect('descriptor', 1);
        } else {
          throw this.#fault('E_FORMAT', 'other bytes follow a zstd frame');
        }
        return undefined;
      }
      case 'skip-size': {
        const length = field.readUInt32LE(0);
        if (length === 0) this.#expect('magic', 4);
        else this.#pass('skip', length);
        return undefined;
      }
      case 'descriptor':
        this.#held.push(field);
        this.#expect('header', headerLength(field[0] ?? 0));
        return undefined;
      case 'header':
        return this.#onHeader(this.#held[1]?.[0] ?? 0, field);
      default:
        this.#onBlock(field.readUIntLE(0, 3));
        return undefined;
    }
  }

  #onHeader(descriptor: number, field: Buffer): FrameStart {
    this.#held.push(field);
    if ((descriptor & 0x03) !== 0) {
      throw this.#fault('E_UNSUPPORTED', 'the zstd data needs a dictionary');
    }
    if ((descriptor & 0x08) !== 0) {
      throw this.#fault('E_FORMAT', 'a zstd frame header is malformed');
    }
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const window = windowOf(descriptor, field);
    if (window > MAX_WINDOW) {
      throw this.#fault(
        'E_UNSUPPORTED',
        `the zstd data needs a window of ${window} bytes, over the limit of ${MAX_WINDOW}`,
      );
    }
    this.#expect('block', 3);
    return { window };
  }

  #onBlock(header: number): void {
    const kind = (header >> 1) & 3;
    const size = header >>> 3;
    if (kind === 3 || size > MAX_BLOCK) {
      throw this.#fault('E_FORMAT', 'a zstd block header is malformed');
    }
    this.#lastBlock = (header & 1) !== 0;
    // A block of one repeated byte stores that byte alone.
    const stored = kind === 1 ? 1 : size;
    this.#pass('body', stored + (this.#lastBlock && this.#hasChecksum ? 4 : 0));
  }

  #fault(code: 'E_FORMAT' | 'E_UNSUPPORTED', why: string): RundleError {
    return new RundleError(code, `${this.#where}: ${why}`);
  }
}

/** Bytes of window descriptor, dictionary id and content size. */
function headerLength(descriptor: number): number {
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const content = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return (single ? 0 : 1) + dictionary + content;
}

/** A frame of a single segment has no window descriptor: its window is its content. */
function windowOf(descriptor: number, field: Buffer): number {
  if ((descriptor & 0x20) === 0) {
    const byte = field[0] ?? 0;
    const base = 2 ** (10 + (byte >> 3));
    return base + (base / 8) * (byte & 7);
  }
  const size = field.subarray(field.length - ([1, 2, 4, 8][descriptor >> 6] ?? 1));
  if (size.length === 8) return Number(size.readBigUInt64LE(0));
  return size.readUIntLE(0, size.length) + (size.length === 2 ? 256 : 0);
}
