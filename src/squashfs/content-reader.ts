import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { Compressor, Decode } from '../decoder/decode.js';
import { RundleError, reasonOf } from '../errors.js';
import type { StoredBlock } from '../tree/node.js';
import { DecodedBlocks, decodeBlock } from '../tree/stored-block.js';
import type { Content, Fault, Piece } from './job.js';

/** Files kept open between reads; the layers of an image are read again and again. */
const MAX_OPEN = 32;

/** Decoded blocks of images that are kept, in bytes: files that follow each other often share one. */
const DECODED = 8 * 1024 * 1024;

/** A piece could not be read. Not for people: the main thread knows the file's name. */
export class ContentError extends Error implements Fault {
  readonly file: number;
  readonly reason: string;
  readonly code: Fault['code'];

  constructor(file: number, reason: string, code: Fault['code'] = 'E_SOURCE') {
    super(reason);
    this.file = file;
    this.reason = reason;
    this.code = code;
  }
}

/** Reads contents into buffers, blocking its thread: meant for workers. */
export class ContentReader {
  readonly #open = new Map<string, number>();
  readonly #decoders: ReadonlyMap<Compressor, Decode>;
  readonly #decoded = new DecodedBlocks(DECODED);

  /** `decoders`: those of all images that contents lie in. */
  constructor(decoders: ReadonlyMap<Compressor, Decode>) {
    this.#decoders = decoders;
  }

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

  /**
   * The bytes of a block as they are stored; `file` is for messages. They are decoded to see whether they can be, unless the
   * image was verified. Throws ContentError.
   */
  readStored(block: StoredBlock, file: number): Buffer {
    const stored = Buffer.allocUnsafe(block.stored);
    this.#readFile(block.image.path, block.position, stored, file);
    if (!block.image.verified) this.#decode(block, stored, file);
    return stored;
  }

  #readPiece(piece: Piece, target: Buffer): void {
    const { data, file, offset, length } = piece;
    if (data.kind === 'file') {
      this.#readFile(data.path, offset, target, file);
      return;
    }
    const all = data.kind === 'memory' ? data.bytes : this.#contentOf(data, file);
    const bytes = all.subarray(offset, offset + length);
    if (bytes.length < length) {
      const code = data.kind === 'memory' ? 'E_SOURCE' : 'E_FORMAT';
      throw new ContentError(file, `only ${bytes.length} of ${length} bytes there`, code);
    }
    target.set(bytes);
  }

  #contentOf(block: StoredBlock, file: number): Uint8Array {
    const known = this.#decoded.get(block);
    if (known !== undefined) return known;
    const stored = Buffer.allocUnsafe(block.stored);
    this.#readFile(block.image.path, block.position, stored, file);
    const content = this.#decode(block, stored, file);
    this.#decoded.add(block, content);
    return content;
  }

  #decode(block: StoredBlock, stored: Buffer, file: number): Uint8Array {
    const { compressor } = block.image;
    try {
      const decode = this.#decoders.get(compressor);
      if (decode === undefined) throw new Error(`no decoder for ${compressor}`);
      return decodeBlock(block, stored, decode);
    } catch (error) {
      const unsupported = error instanceof RundleError && error.code === 'E_UNSUPPORTED';
      throw new ContentError(file, reasonOf(error), unsupported ? 'E_UNSUPPORTED' : 'E_FORMAT');
    }
  }

  /** Fills `target` from `position` of a file. */
  #readFile(path: string | Uint8Array, position: number, target: Buffer, file: number): void {
    const where = `${shown(path)} from byte ${position}`;
    let done = 0;
    try {
      const descriptor = this.#descriptor(path);
      while (done < target.length) {
        const got = readSync(descriptor, target, done, target.length - done, position + done);
        if (got === 0) break;
        done += got;
      }
    } catch (error) {
      throw new ContentError(file, `${where}: ${reasonOf(error)}`);
    }
    if (done < target.length) {
      throw new ContentError(file, `${where}: only ${done} of ${target.length} bytes there`);
    }
  }

  #descriptor(source: string | Uint8Array): number {
    const path = typeof source === 'string' ? source : Buffer.from(source);
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
