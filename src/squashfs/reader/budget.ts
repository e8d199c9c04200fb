import { RundleError } from '../../errors.js';

/** Memory that the tree of an image may take, roughly: more than three million files. */
const LIMIT = 512 * 1024 * 1024;

/**
 * What is left of the memory for an image's tree, in bytes. Metadata that repeat themselves compress a thousandfold, and many directories
 * can name the same inodes: the size of an image says nothing about that of its tree.
 */
export class Budget {
  #left = LIMIT;

  /** Throws E_UNSUPPORTED when the tree has become too large. */
  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left >= 0) return;
    throw new RundleError(
      'E_UNSUPPORTED',
      `names, attributes and block lists of its tree take more than ${LIMIT / 1024 / 1024} MiB`,
    );
  }
}
