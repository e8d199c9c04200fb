import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { RundleError } from '../errors.js';
import { algorithmOf, type Digest, digestOfHash, hashFor } from '../oci/digest.js';
import type { Arrival } from './arrival.js';
import { type FileRange, openFile, systemReason } from './file-range.js';

const CHUNK = 1024 * 1024;

/** What a blob was announced with; what is undefined is not checked. */
export interface Announced {
  digest?: Digest | undefined;
  size?: number | undefined;
}

/**
 * Reads a blob from front to back and checks it on the way. A reader that has seen enough still has to call `verify`,
 * which reads the rest: bytes behind what a decoder wanted are part of the digest.
 */
export class BlobReader {
  readonly #handle: FileHandle;
  readonly #range: FileRange;
  readonly #announced: Announced;
  readonly #where: string;
  readonly #hash: Hash | undefined;
  readonly #arrival: Arrival | undefined;
  readonly #buffer = Buffer.allocUnsafe(CHUNK);
  #done = 0;

  private constructor(
    handle: FileHandle,
    range: FileRange,
    announced: Announced,
    where: string,
    arrival: Arrival | undefined,
  ) {
    this.#handle = handle;
    this.#range = range;
    this.#announced = announced;
    this.#where = where;
    this.#arrival = arrival;
    this.#hash = announced.digest && hashFor(algorithmOf(announced.digest));
  }

  /**
   * Opens the blob at `range`; `where` begins messages ("reading layer 2 of 3 ..."). Throws E_SOURCE when the file cannot be opened,
   * E_DIGEST at once when the blob's length is not the announced one. With an `arrival` the file is still being written: `range` says what it is to be.
   */
  static async open(
    range: FileRange,
    announced: Announced,
    where: string,
    arrival?: Arrival,
  ): Promise<BlobReader> {
    if (announced.size !== undefined && announced.size !== range.size) {
      throw new RundleError(
        'E_DIGEST',
        `${where}: ${range.path} has ${range.size} bytes, announced were ${announced.size}`,
        { hint: 'the image is damaged; get it again' },
      );
    }
    const { handle } = await openFile(range.path, where);
    return new BlobReader(handle, range, announced, where, arrival);
  }

  /** Bytes read so far. */
  get done(): number {
    return this.#done;
  }

  /** The next at most 1 MiB, valid until the next call; undefined at the end. Throws E_SOURCE, also when an arrival is lost. */
  async read(): Promise<Buffer | undefined> {
    const left = this.#range.size - this.#done;
    if (left === 0) return undefined;
    const wanted = Math.min(left, CHUNK);
    if ((await this.#arrival?.reaches(this.#done + wanted)) === false) {
      throw new RundleError('E_SOURCE', `${this.#where}: ${this.#range.path} does not go on`);
    }
    const count = await this.#fill(wanted);
    if (count === 0) {
      throw new RundleError('E_SOURCE', `${this.#where}: ${this.#range.path} became shorter`);
    }
    const chunk = this.#buffer.subarray(0, count);
    this.#hash?.update(chunk);
    this.#done += count;
    return chunk;
  }

  /** Reads what is left and compares. Throws E_DIGEST when the bytes are not the announced ones. */
  async verify(): Promise<void> {
    while ((await this.read()) !== undefined);
    const { digest } = this.#announced;
    if (digest === undefined || this.#hash === undefined) return;
    const actual = digestOfHash(this.#hash, algorithmOf(digest));
    if (actual !== digest) {
      throw new RundleError(
        'E_DIGEST',
        `${this.#where}: ${this.#range.path} has the digest ${actual}, announced was ${digest}`,
        { hint: 'the image is damaged; get it again' },
      );
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #fill(length: number): Promise<number> {
    try {
      const position = this.#range.offset + this.#done;
      return (await this.#handle.read(this.#buffer, 0, length, position)).bytesRead;
    } catch (cause) {
      const { path } = this.#range;
      throw new RundleError('E_SOURCE', `${this.#where}: reading ${path}: ${systemReason(cause)}`, {
        cause,
      });
    }
  }
}

/**
 * A small blob as a whole, checked. Throws E_FORMAT when it is larger than `limit` bytes, and as `BlobReader`.
 */
export async function readBlob(
  range: FileRange,
  announced: Announced,
  limit: number,
  where: string,
): Promise<Buffer> {
  if (range.size > limit) {
    throw new RundleError(
      'E_FORMAT',
      `${where}: ${range.path} has ${range.size} bytes, more than the ${limit} allowed`,
    );
  }
  const reader = await BlobReader.open(range, announced, where);
  try {
    const parts: Buffer[] = [];
    for (let chunk = await reader.read(); chunk !== undefined; chunk = await reader.read()) {
      parts.push(Buffer.from(chunk));
    }
    await reader.verify();
    return Buffer.concat(parts);
  } finally {
    await reader.close();
  }
}
