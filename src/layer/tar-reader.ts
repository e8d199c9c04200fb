import { RundleError } from '../errors.js';
import { type ByteString, fromBytes, toDisplay } from '../tree/byte-string.js';
import { type PaxRecord, parsePax } from './pax.js';
import {
  gnuRealSize,
  MAX_PIECES,
  type PaxSparse,
  parseDataMap,
  parseGnuPieces,
  paxSparse,
  placePieces,
  type SparsePiece,
} from './sparse.js';
import type { TarEntry } from './tar-entry.js';
import { buildEntry, checkName } from './tar-entry-builder.js';
import { BLOCK, isZeroBlock, parseHeader, type TarHeader } from './tar-header.js';

/** Largest extended header, as in Go's reader. */
const MAX_EXTENSION = 2 ** 20;
/** How much of a file's data is looked at for a sparse map, in growing steps. */
const MAP_STEPS = [4096, 65_536, 4 * 2 ** 20];

/** What the reader does with the next bytes: collect them for `take`, or let them pass. */
type Step =
  | { collect: number; take: (bytes: Uint8Array) => void }
  | { pass: number }
  | { finished: true };

/**
 * Reads a tar archive that is pushed through it in pieces of any size, and reports every entry with the
 * place of its contents. Nothing but headers is kept: its memory does not depend on the archive.
 *
 * `origin` is where the archive starts in the file that contents will be read from; `where` begins every message.
 * Errors: E_FORMAT for what is no sound archive, E_LAYER for entries that no tree can hold.
 */
export class TarReader {
  readonly #where: string;
  readonly #onEntry: (entry: TarEntry) => void;
  /** Offset in the file of the next byte. */
  #position: number;
  #step: Step;
  #collected: Uint8Array[] = [];
  #collectedLength = 0;
  #globals: PaxRecord[] = [];
  #records: PaxRecord[] = [];
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
  #afterZeroBlock = false;

  constructor(where: string, origin: number, onEntry: (entry: TarEntry) => void) {
    this.#where = where;
    this.#onEntry = onEntry;
    this.#position = origin;
    this.#step = this.#header();
  }

  /** How many of the next bytes are contents that nobody looks at; Infinity behind the archive's end. */
  get skippable(): number {
    if ('finished' in this.#step) return Number.POSITIVE_INFINITY;
    return 'pass' in this.#step ? this.#step.pass : 0;
  }

  /** Goes on as if `count` bytes, at most `skippable`, had been pushed. */
  skip(count: number): void {
    this.#position += count;
    if ('pass' in this.#step) this.#passed(this.#step.pass - count);
  }

  /** The next bytes of the archive; they are not kept. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      if (!('collect' in this.#step)) {
        const count = Math.min(left, this.skippable);
        this.skip(count);
        at += count;
        continue;
      }
      const { collect, take } = this.#step;
      const count = Math.min(left, collect - this.#collectedLength);
      const piece = chunk.subarray(at, at + count);
      at += count;
      this.#position += count;
      if (this.#collectedLength === 0 && count === collect) {
        take(piece);
        continue;
      }
      this.#collected.push(Uint8Array.from(piece));
      this.#collectedLength += count;
      if (this.#collectedLength < collect) continue;
      const whole = Buffer.concat(this.#collected);
      this.#collected = [];
      this.#collectedLength = 0;
      take(whole);
    }
  }

  /** No more bytes. Throws E_FORMAT when the archive ends inside an entry. */
  end(): void {
    const expectsHeader = 'collect' in this.#step && this.#step.take === this.#onHeader;
    const pending = this.#records.length > 0 || this.#longName !== undefined;
    if ('finished' in this.#step) return;
    if (expectsHeader && this.#collectedLength === 0 && !pending) return;
    throw new RundleError('E_FORMAT', `${this.#where}: the archive ends inside an entry`, {
      hint: 'the file was probably cut off; get it again',
    });
  }

  #header(): Step {
    return { collect: BLOCK, take: this.#onHeader };
  }

  #passed(left: number): void {
    this.#step = left === 0 ? this.#header() : { pass: left };
  }

  #onHeader = (block: Uint8Array): void => {
    if (isZeroBlock(block)) {
      if (this.#afterZeroBlock) this.#step = { finished: true };
      this.#afterZeroBlock = true;
      return;
    }
    if (this.#afterZeroBlock) {
      throw new RundleError('E_FORMAT', `${this.#where}: an entry follows a single block of zeros`);
    }
    const header = parseHeader(block, this.#where);
    switch (header.type) {
      case 'x':
      case 'X':
        this.#extension(header, (body) => {
          this.#records = parsePax(body, this.#where);
        });
        break;
      case 'g':
        this.#extension(header, (body) => this.#addGlobals(parsePax(body, this.#where)));
        break;
      case 'L':
        this.#extension(header, (body) => {
          this.#longName = terminated(body);
        });
        break;
      case 'K':
        this.#extension(header, (body) => {
          this.#longLink = terminated(body);
        });
        break;
      default:
        this.#entry(header);
    }
  };

  /** A key given again replaces the old one, or a hostile archive could make the list grow for ever. */
  #addGlobals(records: PaxRecord[]): void {
    const again = new Set(records.map(({ key }) => key));
    this.#globals = [...this.#globals.filter(({ key }) => !again.has(key)), ...records];
    const held = this.#globals.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
    if (held > MAX_EXTENSION) throw this.#tooLarge();
  }

  /** Collects the body of a header that extends the next one. */
  #extension(header: TarHeader, use: (body: Uint8Array) => void): void {
    const { size } = header;
    if (size < 0 || size > MAX_EXTENSION) throw this.#tooLarge();
    if (size === 0) return;
    const take = (bytes: Uint8Array) => {
      use(bytes.subarray(0, size));
      this.#step = this.#header();
    };
    this.#step = { collect: padded(size), take };
  }

  #entry(header: TarHeader): void {
    const records =
      this.#globals.length === 0 ? this.#records : [...this.#globals, ...this.#records];
    const extensions = { records, longName: this.#longName, longLink: this.#longLink };
    this.#records = [];
    this.#longName = undefined;
    this.#longLink = undefined;
    const entry = buildEntry(header, extensions, this.#where);
    const sparse = entry.kind === 'file' ? paxSparse(records, this.#where) : undefined;
    if (sparse !== undefined) {
      this.#paxSparse(entry, sparse);
    } else if (header.type === 'S') {
      this.#gnuSparse(entry, header);
    } else {
      if (entry.size > 0) entry.data = [{ at: 0, length: entry.size, offset: this.#position }];
      this.#emit(entry, padded(entry.size));
    }
  }

  /** Reports the entry; `rest` bytes of its data are still to come. */
  #emit(entry: TarEntry, rest: number): void {
    this.#onEntry(entry);
    this.#passed(rest);
  }

  #gnuSparse(entry: TarEntry, header: TarHeader): void {
    const realSize = gnuRealSize(header.block, this.#where);
    const first = parseGnuPieces(header.block, false, this.#where);
    const pieces = first.pieces;
    const arrived = () => this.#placed(entry, pieces, realSize, entry.size, padded(entry.size));
    if (!first.more) {
      arrived();
      return;
    }
    const take = (block: Uint8Array) => {
      const next = parseGnuPieces(block, true, this.#where);
      pieces.push(...next.pieces);
      if (pieces.length > MAX_PIECES) throw this.#tooLarge();
      if (!next.more) arrived();
    };
    this.#step = { collect: BLOCK, take };
  }

  #paxSparse(entry: TarEntry, sparse: PaxSparse): void {
    const stored = entry.size;
    if (sparse.name !== undefined) {
      entry.name = fromBytes(sparse.name);
      checkName(entry.name, `${this.#where}: the entry ${toDisplay(entry.name)}`);
    }
    if (sparse.mapInData) this.#collectMap(entry, sparse, new Uint8Array(0), 0);
    else this.#placed(entry, sparse.pieces, sparse.realSize, stored, padded(stored));
  }

  #collectMap(entry: TarEntry, sparse: PaxSparse, body: Uint8Array, step: number): void {
    const wanted = Math.min(padded(entry.size), MAP_STEPS[step] ?? 0);
    if (wanted <= body.length) throw this.#tooLarge();
    const take = (bytes: Uint8Array) => {
      const data = Buffer.concat([body, bytes]);
      const map = parseDataMap(data, this.#where);
      if (map === undefined) {
        this.#collectMap(entry, sparse, data, step + 1);
        return;
      }
      if (map.length > entry.size) throw this.#tooLarge();
      // What was collected beyond the map is data already passed.
      const offset = this.#position - data.length + map.length;
      const rest = padded(entry.size) - data.length;
      this.#placed(entry, map.pieces, sparse.realSize, entry.size - map.length, rest, offset);
    };
    this.#step = { collect: wanted - body.length, take };
  }

  #placed(
    entry: TarEntry,
    pieces: SparsePiece[],
    realSize: number,
    stored: number,
    rest: number,
    offset = this.#position,
  ): void {
    entry.data = placePieces(pieces, realSize, stored, offset, this.#where);
    entry.size = realSize;
    this.#emit(entry, rest);
  }

  #tooLarge(): RundleError {
    return new RundleError('E_FORMAT', `${this.#where}: an extended header is too large`);
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** GNU long names end with a NUL that is not part of them. */
function terminated(body: Uint8Array): ByteString {
  const end = body.indexOf(0);
  return fromBytes(end < 0 ? body : body.subarray(0, end));
}
