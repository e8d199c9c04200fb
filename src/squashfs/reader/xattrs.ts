import { RundleError } from '../../errors.js';
import { type ByteString, fromBytes } from '../../tree/byte-string.js';
import { NONE } from '../format.js';
import type { Budget } from './budget.js';
import { Cursor, lookupEntry, type Metadata, type Table } from './metadata.js';

const PREFIXES = ['user.', 'trusted.', 'security.'];
/** Set in the type of an attribute whose value stands elsewhere, because another one has the same. */
const OUT_OF_LINE = 0x100;

/** What Linux accepts (linux/limits.h). */
const MAX_NAME = 255;
const MAX_VALUE = 65_536;

type Attributes = ReadonlyMap<ByteString, Uint8Array>;

/** The sets of extended attributes of an image; each is read once, when an inode names it. */
export class XattrSets {
  readonly #metadata: Metadata;
  readonly #budget: Budget;
  readonly #position: number | undefined;
  readonly #values: Table;
  readonly #count: number;
  readonly #known = new Map<number, Attributes>();

  /** `position`: where the image has its attribute table, if it has one. Throws E_FORMAT. */
  constructor(metadata: Metadata, position: number | undefined, budget: Budget) {
    this.#metadata = metadata;
    this.#budget = budget;
    this.#position = position;
    const header =
      position === undefined ? Buffer.alloc(16) : metadata.file.read(position, 16, 'attributes');
    this.#values = { start: Number(header.readBigUInt64LE(0)), end: position ?? 0 };
    this.#count = header.readUInt32LE(8);
  }

  /** The set with a number; undefined for NONE. Throws E_FORMAT, E_UNSUPPORTED. */
  get(number: number): Attributes | undefined {
    if (number === NONE) return undefined;
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const attributes = this.#read(number);
    this.#known.set(number, attributes);
    return attributes;
  }

  #read(number: number): Attributes {
    if (this.#position === undefined || number >= this.#count) {
      throw damaged(`the set of attributes ${number}, of which the image has ${this.#count}`);
    }
    const entry = lookupEntry(this.#metadata, this.#position + 16, number, 16);
    const cursor = this.#cursorAt(entry.readBigUInt64LE(0));
    const count = entry.readUInt32LE(8);
    const attributes = new Map<ByteString, Uint8Array>();
    for (let i = 0; i < count; i++) {
      const head = cursor.bytes(4);
      const type = head.readUInt16LE(0);
      const prefix = PREFIXES[type & ~OUT_OF_LINE];
      const length = head.readUInt16LE(2);
      if (prefix === undefined || length === 0 || prefix.length + length > MAX_NAME) {
        throw damaged(`an attribute of type ${type} with a name of ${length} bytes`);
      }
      const name = `${prefix}${fromBytes(cursor.bytes(length))}` as ByteString;
      if (name.includes('\0')) throw damaged('an attribute with a NUL in its name');
      const value = this.#readValue(cursor, (type & OUT_OF_LINE) !== 0);
      this.#budget.spend(100 + name.length + value.length);
      attributes.set(name, value);
    }
    return attributes;
  }

  #readValue(cursor: Cursor, outOfLine: boolean): Uint8Array {
    const length = cursor.bytes(4).readUInt32LE();
    if (outOfLine) {
      if (length !== 8) throw damaged(`a reference to an attribute's value of ${length} bytes`);
      return this.#readValue(this.#cursorAt(cursor.bytes(8).readBigUInt64LE()), false);
    }
    if (length > MAX_VALUE) throw damaged(`an attribute with a value of ${length} bytes`);
    // A copy: what the cursor gives may be a part of a block that is kept.
    return Uint8Array.from(cursor.bytes(length));
  }

  #cursorAt(reference: bigint): Cursor {
    const block = Number(reference >> 16n);
    return new Cursor(this.#metadata, this.#values, block, Number(reference & 0xffffn));
  }
}

function damaged(what: string): RundleError {
  return new RundleError('E_FORMAT', `it has ${what}`);
}
