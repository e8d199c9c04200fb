import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { RundleError, reasonOf } from '../errors.js';

const CHUNK = 1024 * 1024;

/** The part of an open file that the payload is written to, from one offset on. */
export class PayloadOutput {
  readonly #file: FileHandle;
  readonly #start: number;
  /** Bytes written so far; a position in the payload. */
  position = 0;

  /** `start` is the absolute offset of the payload in `file`, in bytes. */
  constructor(file: FileHandle, start: number) {
    this.#file = file;
    this.#start = start;
  }

  /** Writes at the end of what was written. Throws E_OUTPUT. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.writeAt(this.position, bytes);
    this.position += bytes.length;
  }

  /** Writes at a position in the payload. Throws E_OUTPUT. */
  async writeAt(position: number, bytes: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await this.#file.write(
          bytes,
          done,
          bytes.length - done,
          this.#start + position + done,
        );
        done += bytesWritten;
      }
    } catch (error) {
      throw new RundleError('E_OUTPUT', `writing the payload: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  /** SHA-256 (hex) of everything written, read back from the file. Throws E_OUTPUT. */
  async digest(): Promise<string> {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(CHUNK);
    try {
      for (let at = 0; at < this.position; ) {
        const length = Math.min(CHUNK, this.position - at);
        const { bytesRead } = await this.#file.read(chunk, 0, length, this.#start + at);
        if (bytesRead === 0) throw new Error(`it ends after ${at} of ${this.position} bytes`);
        hash.update(chunk.subarray(0, bytesRead));
        at += bytesRead;
      }
    } catch (error) {
      throw new RundleError('E_OUTPUT', `reading the payload back: ${reasonOf(error)}`, {
        cause: error,
      });
    }
    return hash.digest('hex');
  }
}
