import { RundleError } from '../errors.js';
import { MAX_U32 } from './format.js';

/** The superblock counts ids in 16 bits. */
const MAX_IDS = 0xffff;

/** The table of user and group ids: an inode holds two 16-bit indexes into it. */
export class IdTable {
  readonly #indexes = new Map<number, number>();

  /**
   * Takes up an id. `path` is for the message when it is not an id (32 bits) or when the image
   * has more than 65,535 different ones: E_UNSUPPORTED.
   */
  add(id: number, path: () => string): void {
    if (this.#indexes.has(id)) return;
    if (!Number.isInteger(id) || id < 0 || id > MAX_U32) {
      throw new RundleError(
        'E_UNSUPPORTED',
        `storing the owner of ${path()}: ${id} is no user or group id`,
      );
    }
    if (this.#indexes.size >= MAX_IDS) {
      throw new RundleError(
        'E_UNSUPPORTED',
        `storing the owner of ${path()}: SquashFS holds at most ${MAX_IDS} different user and group ids`,
      );
    }
    this.#indexes.set(id, this.#indexes.size);
  }

  /** The index of an id that was taken up. */
  indexOf(id: number): number {
    const index = this.#indexes.get(id);
    if (index === undefined) throw new Error(`id ${id} was not taken up`);
    return index;
  }

  get size(): number {
    return this.#indexes.size;
  }

  /** The table's entries, 4 bytes each, in the order they were taken up. */
  entries(): Buffer {
    const entries = Buffer.alloc(4 * this.size);
    let at = 0;
    for (const id of this.#indexes.keys()) at = entries.writeUInt32LE(id, at);
    return entries;
  }
}
