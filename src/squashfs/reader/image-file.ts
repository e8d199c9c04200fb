import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { systemReason } from '../../blob/file-range.js';
import { RundleError } from '../../errors.js';

/** Where an image is. */
export interface ImagePlace {
  path: string;
  /** Of its first byte in the file. */
  offset: number;
  /** Bytes that may belong to it; the rest of the file unless given. */
  size?: number;
}

/** An image file, open for reading. Reading blocks the thread: metadata are small, and contents are read by others. */
export class ImageFile {
  readonly path: string;
  /** Of the image's first byte in the file. */
  readonly offset: number;
  /** Bytes from there on that the image may have. */
  readonly size: number;
  readonly #descriptor: number;

  /** Throws E_SOURCE when it cannot be opened or is no regular file. */
  constructor(place: ImagePlace) {
    this.path = place.path;
    this.offset = place.offset;
    try {
      // O_NONBLOCK: opening a fifo would wait for a writer.
      this.#descriptor = openSync(place.path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      throw new RundleError('E_SOURCE', `opening it: ${systemReason(cause)}`, { cause });
    }
    const status = fstatSync(this.#descriptor);
    if (!status.isFile()) {
      this.close();
      throw new RundleError('E_SOURCE', 'it is not a regular file');
    }
    const rest = Math.max(0, status.size - place.offset);
    this.size = Math.min(rest, place.size ?? rest);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** `length` bytes at `position` of the image; `what` says what they are for. Throws E_FORMAT when they are not there, E_SOURCE. */
  read(position: number, length: number, what: string): Buffer {
    if (!(position >= 0 && position + length <= this.size)) {
      throw new RundleError(
        'E_FORMAT',
        `${what} would be at byte ${position} of ${this.size} bytes`,
      );
    }
    const bytes = Buffer.alloc(length);
    let done = 0;
    while (done < length) {
      let got: number;
      try {
        got = readSync(this.#descriptor, bytes, done, length - done, this.offset + position + done);
      } catch (cause) {
        throw new RundleError('E_SOURCE', `reading it: ${systemReason(cause)}`, { cause });
      }
      if (got === 0) throw new RundleError('E_SOURCE', 'it became shorter meanwhile');
      done += got;
    }
    return bytes;
  }
}
