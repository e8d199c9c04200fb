import type { Decode } from '../../decoder/decode.js';
import { RundleError } from '../../errors.js';
import { METADATA_SIZE } from '../format.js';
import type { ImageFile } from './image-file.js';

const RAW = 0x8000;

/** Decoded metadata blocks that are kept: 16 MiB. */
const MAX_KEPT = 2048;

interface MetadataBlock {
  bytes: Uint8Array;
  /** Where the next block of the table begins. */
  next: number;
}

/** The metadata blocks of an image. */
export class Metadata {
  readonly file: ImageFile;
  readonly #decode: Decode;
  readonly #kept = new Map<number, MetadataBlock>();

  constructor(file: ImageFile, decode: Decode) {
    this.file = file;
    this.#decode = decode;
  }

  /** The block at `position` of the image. Throws E_FORMAT. */
  block(position: number): MetadataBlock {
    const known = this.#kept.get(position);
    if (known !== undefined) return known;
    const header = this.file.read(position, 2, 'a metadata block').readUInt16LE();
    const size = header & ~RAW;
    if (size === 0 || size > METADATA_SIZE) {
      throw damaged(`the metadata block at byte ${position} says that it has ${size} bytes`);
    }
    const stored = this.file.read(position + 2, size, 'a metadata block');
    const bytes = (header & RAW) !== 0 ? stored : this.#decode(stored, METADATA_SIZE);
    const block = { bytes, next: position + 2 + size };
    if (this.#kept.size >= MAX_KEPT) {
      this.#kept.delete(this.#kept.keys().next().value as number);
    }
    this.#kept.set(position, block);
    return block;
  }
}

/** Where a cursor reads, and how far the table goes: positions in the image. */
export interface Table {
  start: number;
  end: number;
}

/** Reads on through the metadata blocks of a table, from a reference on: block and offset in it. */
export class Cursor {
  readonly #metadata: Metadata;
  readonly #end: number;
  #block: MetadataBlock;
  #at: number;

  /** `block` counts stored bytes from the table's start, `offset` decoded bytes in that block. Throws E_FORMAT. */
  constructor(metadata: Metadata, table: Table, block: number, offset: number) {
    this.#metadata = metadata;
    this.#end = table.end;
    this.#block = this.#load(table.start + block);
    this.#at = offset;
    if (offset > this.#block.bytes.length) {
      throw damaged(
        `a reference to byte ${offset} of a metadata block of ${this.#block.bytes.length}`,
      );
    }
  }

  /** The next `length` bytes; not to be changed. Throws E_FORMAT when the table ends before. */
  bytes(length: number): Buffer {
    const { bytes } = this.#block;
    if (this.#at + length <= bytes.length) {
      const part = bytes.subarray(this.#at, this.#at + length);
      this.#at += length;
      return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
    }
    const parts: Uint8Array[] = [];
    for (let left = length; left > 0; ) {
      if (this.#at === this.#block.bytes.length) {
        this.#block = this.#load(this.#block.next);
        this.#at = 0;
      }
      const part = this.#block.bytes.subarray(this.#at, this.#at + left);
      parts.push(part);
      this.#at += part.length;
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  #load(position: number): MetadataBlock {
    if (position >= this.#end) {
      throw damaged(`metadata at byte ${position}, where their table ends at ${this.#end}`);
    }
    const block = this.#metadata.block(position);
    if (block.bytes.length === 0) throw damaged(`an empty metadata block at byte ${position}`);
    return block;
  }
}

/**
 * Entry `index` of a lookup table: `list` is where the positions of its metadata blocks stand, 8 bytes each. Nothing is read but the block
 * that holds the entry. Throws E_FORMAT.
 */
export function lookupEntry(metadata: Metadata, list: number, index: number, size: number): Buffer {
  const perBlock = METADATA_SIZE / size;
  const place = list + 8 * Math.floor(index / perBlock);
  const position = Number(metadata.file.read(place, 8, 'a table').readBigUInt64LE());
  const { bytes } = metadata.block(position);
  const at = size * (index % perBlock);
  if (at + size > bytes.length) throw damaged(`a table ends before its entry ${index}`);
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, size);
}

function damaged(what: string): RundleError {
  return new RundleError('E_FORMAT', what);
}
