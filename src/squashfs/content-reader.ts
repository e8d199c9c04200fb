import { closeSync, constants, openSync, readSync } from 'node:fs';
import { reasonOf } from '../errors.js';
import type { ByteSource } from '../tree/node.js';
import type { Content, Fault, Piece } from './job.js';

/** Files kept open between reads; the layers of an image are read again and again. */
const MAX_OPEN = 32;

/** A piece could not be read. Not for people: the main thread knows the file's name. */
export class ContentError extends Error implements Fault {
  readonly file: number;
  readonly reason: string;

  constructor(file: number, reason: string) {
    super(reason);
    this.file = file;
    this.reason = reason;
  }
}

/** Reads contents into buffers, blocking its thread: meant for workers. */
export class ContentReader {
  readonly #open = new Map<string, number>();

  /** Puts `content` at the start of `target` and gives the part that holds it. Throws ContentError. */
  read(content: Content, target: Buffer): Buffer {
    let position = 0;
    for (const piece of content.pieces) {
      target.fill(0, position, piece.at);
      position = piece.at + piece.length;
      this.#readPiece(piece, target.subarray(piece.at, position));
    }
    target.fill(0, position, content.length);
    return target.subarray(0, content.length);
  }

  #readPiece(piece: Piece, target: Buffer): void {
    const { data } = piece;
    if (data.kind === 'memory') {
      const bytes = data.bytes.subarray(piece.offset, piece.offset + piece.length);
      if (bytes.length < piece.length) {
        throw new ContentError(piece.file, `only ${bytes.length} of ${piece.length} bytes there`);
      }
      target.set(bytes);
      return;
    }
    const where = `${shown(data.path)} from byte ${piece.offset}`;
    let done = 0;
    try {
      const descriptor = this.#descriptor(data);
      while (done < piece.length) {
        const got = readSync(descriptor, target, done, piece.length - done, piece.offset + done);
        if (got === 0) break;
        done += got;
      }
    } catch (error) {
      throw new ContentError(piece.file, `${where}: ${reasonOf(error)}`);
    }
    if (done < piece.length) {
      throw new ContentError(piece.file, `${where}: only ${done} of ${piece.length} bytes there`);
    }
  }

  #descriptor(source: ByteSource & { kind: 'file' }): number {
    const path = typeof source.path === 'string' ? source.path : Buffer.from(source.path);
    const key = typeof path === 'string' ? path : `\0${path.toString('latin1')}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    if (this.#open.size >= MAX_OPEN) {
      const [oldest, descriptor] = this.#open.entries().next().value as [string, number];
      this.#open.delete(oldest);
      closeSync(descriptor);
    }
    // O_NONBLOCK: a fifo that took the file's place must not hang the build.
    const opened = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    this.#open.set(key, opened);
    return opened;
  }
}

function shown(path: string | Uint8Array): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString();
}
