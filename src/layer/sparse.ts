import { RundleError } from '../errors.js';
import { fromBytes } from '../tree/byte-string.js';
import type { PaxRecord } from './pax.js';
import type { DataPart } from './tar-entry.js';
import { BLOCK } from './tar-header.js';
import { parseDecimal, parseNumber } from './tar-number.js';

/** A piece of a sparse file that has data. */
export interface SparsePiece {
  at: number;
  length: number;
}

/** More pieces than this make an index that is out of proportion to any real file. */
export const MAX_PIECES = 131_072;
/** Largest sparse file: what ext4 can hold. A header costs nothing, and a reader must visit the whole length. */
const MAX_SPARSE_SIZE = 16 * 2 ** 40;

/**
 * The map of an old GNU sparse entry (`S`): four pieces in the header, 21 in each extension block. `more` says that an
 * extension block follows.
 */
export function parseGnuPieces(
  block: Uint8Array,
  extension: boolean,
  where: string,
): { pieces: SparsePiece[]; more: boolean } {
  const start = extension ? 0 : 386;
  const count = extension ? 21 : 4;
  const pieces: SparsePiece[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = start + 24 * index;
    // An unused slot is all NUL; a used one has digits even for a length of 0.
    if (block[at] === 0) break;
    const what = `${where}: the sparse map of an entry`;
    pieces.push({
      at: parseNumber(block.subarray(at, at + 12), what),
      length: parseNumber(block.subarray(at + 12, at + 24), what),
    });
  }
  return { pieces, more: block[extension ? 504 : 482] !== 0 };
}

/** The real size of an old GNU sparse entry. */
export function gnuRealSize(block: Uint8Array, where: string): number {
  return parseNumber(block.subarray(483, 495), `${where}: the real size of a sparse entry`);
}

/** What the `GNU.sparse.*` records of an entry say. */
export interface PaxSparse {
  /** Version 1.0 keeps its map in front of the data. */
  mapInData: boolean;
  pieces: SparsePiece[];
  realSize: number;
  name: Uint8Array | undefined;
}

/** Reads GNU's PAX sparse formats 0.0, 0.1 and 1.0; undefined when the entry is not sparse. Throws E_FORMAT. */
export function paxSparse(records: readonly PaxRecord[], where: string): PaxSparse | undefined {
  const what = `${where}: the sparse map of an entry`;
  const last = new Map<string, Uint8Array>();
  for (const { key, value } of records) if (key.startsWith('GNU.sparse.')) last.set(key, value);
  if (last.size === 0) return undefined;
  const text = (key: string) => {
    const value = last.get(`GNU.sparse.${key}`);
    return value === undefined ? undefined : fromBytes(value);
  };
  const major = text('major') ?? '0';
  const minor = text('minor');
  const mapInData = major === '1' && minor === '0';
  if (!mapInData && major !== '0') {
    throw new RundleError('E_UNSUPPORTED', `${what} has the unknown format ${major}.${minor}`);
  }
  const size = text('realsize') ?? text('size');
  if (size === undefined) return undefined;
  const map = text('map');
  const numbers = map === undefined ? repeated(records, what) : listed(map, what);
  return {
    mapInData,
    pieces: mapInData ? [] : pairs(numbers, what),
    realSize: parseDecimal(size, what),
    name: last.get('GNU.sparse.name'),
  };
}

function listed(map: string, what: string): number[] {
  return map === '' ? [] : map.split(',').map((number) => parseDecimal(number, what));
}

/** Format 0.0 repeats two keys, which is why records keep their order. */
function repeated(records: readonly PaxRecord[], what: string): number[] {
  const numbers: number[] = [];
  for (const { key, value } of records) {
    const wanted = numbers.length % 2 === 0 ? 'GNU.sparse.offset' : 'GNU.sparse.numbytes';
    if (key === wanted) numbers.push(parseDecimal(fromBytes(value), what));
    else if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') throw broken(what);
  }
  return numbers;
}

/**
 * The map of format 1.0, decimal numbers of one line each: the count of pieces, then offset and length of each. It fills
 * `length` bytes, a whole number of blocks, at the start of the data. `body` is as much of the data as was read; undefined
 * when the map goes on behind it.
 */
export function parseDataMap(
  body: Uint8Array,
  where: string,
): { pieces: SparsePiece[]; length: number } | undefined {
  const what = `${where}: the sparse map of an entry`;
  const numbers: number[] = [];
  let at = 0;
  let wanted = 1;
  while (numbers.length < wanted) {
    const end = body.indexOf(0x0a, at);
    if (end < 0) {
      if (body.length - at > 1024) throw broken(what);
      return undefined;
    }
    numbers.push(parseDecimal(fromBytes(body.subarray(at, end)), what));
    at = end + 1;
    if (numbers.length === 1) wanted = 1 + 2 * (numbers[0] ?? 0);
    if (wanted > 1 + 2 * MAX_PIECES) throw broken(what);
  }
  return { pieces: pairs(numbers.slice(1), what), length: Math.ceil(at / BLOCK) * BLOCK };
}

function pairs(numbers: readonly number[], what: string): SparsePiece[] {
  if (numbers.length % 2 !== 0) throw broken(what);
  const pieces: SparsePiece[] = [];
  for (let index = 0; index < numbers.length; index += 2) {
    pieces.push({ at: numbers[index] ?? 0, length: numbers[index + 1] ?? 0 });
  }
  return pieces;
}

/**
 * Pieces that lie one after another from `offset` on in the archive, as places of the file. Throws E_FORMAT when they
 * overlap, are not in order, leave the file, or are not exactly the `stored` bytes.
 */
export function placePieces(
  pieces: readonly SparsePiece[],
  realSize: number,
  stored: number,
  offset: number,
  where: string,
): DataPart[] {
  const what = `${where}: the sparse map of an entry`;
  if (pieces.length > MAX_PIECES || realSize > MAX_SPARSE_SIZE) throw broken(what);
  const parts: DataPart[] = [];
  let position = 0;
  let used = 0;
  for (const { at, length } of pieces) {
    if (at < position || at + length > realSize) throw broken(what);
    if (length > 0) parts.push({ at, length, offset: offset + used });
    position = at + length;
    used += length;
  }
  if (used !== stored) throw broken(what);
  return parts;
}

function broken(what: string): RundleError {
  return new RundleError('E_FORMAT', `${what} is malformed`);
}
