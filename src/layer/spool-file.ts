import { closeSync, openSync, writeSync } from 'node:fs';
import { systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';

/** A new file that uncompressed bytes go to, written blocking: meant for worker threads. */
export class SpoolFile {
  readonly #path: string;
  readonly #where: string;
  readonly #descriptor: number;
  /** What the first failed write threw. */
  fault: RundleError | undefined;

  /** Makes the file; `where` begins messages. Throws E_OUTPUT. */
  constructor(path: string, where: string) {
    this.#path = path;
    this.#where = where;
    try {
      this.#descriptor = openSync(path, 'wx', 0o600);
    } catch (error) {
      throw this.#faultOf(error);
    }
  }

  /** Writes at `position`, by default at the end; what lies between is a hole. Throws E_OUTPUT. */
  write(bytes: Uint8Array, position: number | null = null): void {
    try {
      for (let at = 0; at < bytes.length; ) {
        const place = position === null ? null : position + at;
        at += writeSync(this.#descriptor, bytes, at, bytes.length - at, place);
      }
    } catch (error) {
      this.fault = this.#faultOf(error);
      throw this.fault;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #faultOf(cause: unknown): RundleError {
    return new RundleError(
      'E_OUTPUT',
      `${this.#where}: uncompressing it to ${this.#path}: ${systemReason(cause)}`,
      { cause, hint: 'TMPDIR names the directory for temporary files' },
    );
  }
}
