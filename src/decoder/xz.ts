import { crc32 } from 'node:zlib';
import { RundleError } from '../errors.js';
import { type BranchFilter, branchFilter } from './branch-filter.js';
import { damagedData } from './damage.js';
import { decodeLzma2 } from './lzma2.js';

const MAGIC = Buffer.from('\xfd7zXZ\0', 'latin1');
const STREAM_HEADER = 12;
const LZMA2 = 0x21;
const CHECK_CRC32 = 1;
/** Bytes of each kind of check (The .xz File Format, 2.1.1.2), by its number. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

/**
 * Decodes an .xz stream of one block (The .xz File Format 1.1.0) with LZMA2 and, before it, branch filters of some
 * architectures: what SquashFS stores. Of the checks CRC32 is verified, as the kernel does; index and footer are
 * not looked at. A `Decode`.
 */
export function decodeXz(stored: Uint8Array, limit: number): Uint8Array {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  if (bytes.length < STREAM_HEADER || !bytes.subarray(0, 6).equals(MAGIC)) {
    throw damagedData('xz', 'it does not begin with a stream');
  }
  const check = (bytes[7] as number) & 15;
  if (
    bytes[6] !== 0 ||
    (bytes[7] as number) > 15 ||
    crc32(bytes.subarray(6, 8)) !== bytes.readUInt32LE(8)
  ) {
    throw damagedData('xz', 'the stream header is wrong');
  }
  const header = readBlockHeader(bytes);
  const { output, end } = decodeLzma2(bytes, header.end, limit);
  for (const filter of header.filters.reverse()) filter(output);
  const checkAt = end + ((4 - (end % 4)) % 4);
  if (checkAt + (CHECK_SIZES[check] as number) > bytes.length) {
    throw damagedData('xz', 'it ends before its check');
  }
  if (check === CHECK_CRC32 && crc32(output) !== bytes.readUInt32LE(checkAt)) {
    throw damagedData('xz', 'its content has another CRC32');
  }
  return output;
}

interface BlockHeader {
  /** In the order in which they were applied, LZMA2 left out. */
  filters: BranchFilter[];
  /** Where the LZMA2 data begins. */
  end: number;
}

function readBlockHeader(bytes: Buffer): BlockHeader {
  const size = 4 * ((bytes[STREAM_HEADER] ?? 0) + 1);
  const end = STREAM_HEADER + size;
  // A first byte of zero begins the index: there is no block.
  if (size < 8 || end > bytes.length) throw damagedData('xz', 'it has no block');
  const header = bytes.subarray(STREAM_HEADER, end - 4);
  if (crc32(header) !== bytes.readUInt32LE(end - 4)) {
    throw damagedData('xz', 'the block header has another CRC32');
  }
  const flags = header[1] as number;
  if ((flags & 0x3c) !== 0) throw damagedData('xz', 'the block header has unknown flags');
  const fields = new HeaderFields(header, 2);
  if ((flags & 0x40) !== 0) fields.integer();
  if ((flags & 0x80) !== 0) fields.integer();
  const filters: BranchFilter[] = [];
  for (let left = flags & 3; ; left--) {
    const id = fields.integer();
    const properties = fields.bytes(fields.integer());
    if (id === LZMA2) {
      if (left !== 0 || properties.length !== 1) {
        throw damagedData('xz', 'LZMA2 is not the last filter');
      }
      return { filters, end };
    }
    if (left === 0) throw unsupportedFilter(id);
    const filter = branchFilter(id, properties);
    if (filter === undefined) throw unsupportedFilter(id);
    filters.push(filter);
  }
}

class HeaderFields {
  readonly #header: Buffer;
  #at: number;

  constructor(header: Buffer, at: number) {
    this.#header = header;
    this.#at = at;
  }

  /** A number in groups of 7 bits, the lowest first (1.2). Those that are looked at are small. */
  integer(): number {
    let value = 0;
    for (let factor = 1, count = 0; count < 9; count++, factor *= 128) {
      const byte = this.#header[this.#at++];
      if (byte === undefined) break;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw damagedData('xz', 'the block header has a number without an end');
  }

  bytes(count: number): Buffer {
    if (count > this.#header.length - this.#at) {
      throw damagedData('xz', 'the block header ends within a filter');
    }
    this.#at += count;
    return this.#header.subarray(this.#at - count, this.#at);
  }
}

function unsupportedFilter(id: number): RundleError {
  return new RundleError('E_UNSUPPORTED', `xz data with filter 0x${id.toString(16)}`);
}
