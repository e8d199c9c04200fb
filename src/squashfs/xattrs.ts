import { type ByteString, fromBytes, toBytes, toDisplay } from '../tree/byte-string.js';
import { NONE } from './format.js';
import type { MetadataWriter } from './metadata.js';

/** Name prefixes the format knows; the position is the number it stores for them. */
const PREFIXES = ['user.', 'trusted.', 'security.'];

/** What Linux accepts (linux/limits.h): longer ones could never be set or read. */
const MAX_NAME = 255;
const MAX_VALUE = 65_536;

interface Attribute {
  prefix: number;
  /** Without the prefix. */
  name: ByteString;
  value: Uint8Array;
}

/** All different sets of extended attributes; an inode names its set by number. */
export class XattrTable {
  readonly #sets: Attribute[][] = [];
  readonly #numbers = new Map<string, number>();

  /**
   * Takes up the attributes of an inode and gives the number of their set; NONE when nothing is left to store.
   * `omit` is told of each attribute that SquashFS or Linux cannot hold.
   */
  add(
    attributes: ReadonlyMap<ByteString, Uint8Array> | undefined,
    omit: (what: string) => void,
  ): number {
    if (attributes === undefined || attributes.size === 0) return NONE;
    const set: Attribute[] = [];
    const names = [...attributes.keys()].sort();
    for (const full of names) {
      const value = attributes.get(full) as Uint8Array;
      const obstacle = obstacleOf(full, value);
      if (obstacle !== undefined) {
        omit(obstacle);
        continue;
      }
      const prefix = PREFIXES.findIndex((start) => full.startsWith(start));
      set.push({ prefix, name: full.slice(PREFIXES[prefix]?.length) as ByteString, value });
    }
    if (set.length === 0) return NONE;
    const key = JSON.stringify(
      set.map(({ prefix, name, value }) => [prefix, name, fromBytes(value)]),
    );
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#sets.push(set) - 1;
      this.#numbers.set(key, number);
    }
    return number;
  }

  get size(): number {
    return this.#sets.length;
  }

  /** Writes names and values, and gives the entries of the id table, 16 bytes for each set. */
  async write(writer: MetadataWriter): Promise<Buffer> {
    const ids = Buffer.alloc(16 * this.#sets.length);
    for (const [number, set] of this.#sets.entries()) {
      const bytes = Buffer.concat(set.map(encode));
      ids.writeBigUInt64LE(BigInt(writer.reference), 16 * number);
      ids.writeUInt32LE(set.length, 16 * number + 8);
      ids.writeUInt32LE(bytes.length, 16 * number + 12);
      await writer.write(bytes);
    }
    return ids;
  }
}

/** Why an attribute cannot be stored, as an Omission says it; undefined when it can. */
function obstacleOf(name: ByteString, value: Uint8Array): string | undefined {
  if (name.startsWith('system.posix_acl_')) return 'POSIX ACL';
  const prefix = PREFIXES.find((start) => name.startsWith(start));
  const fits = name.length <= MAX_NAME && value.length <= MAX_VALUE && !name.includes('\0');
  if (prefix !== undefined && prefix !== name && fits) return undefined;
  return `extended attribute ${toDisplay(name.slice(0, MAX_NAME) as ByteString)}`;
}

function encode({ prefix, name, value }: Attribute): Buffer {
  const bytes = Buffer.alloc(8 + name.length + value.length);
  bytes.writeUInt16LE(prefix, 0);
  bytes.writeUInt16LE(name.length, 2);
  toBytes(name).copy(bytes, 4);
  bytes.writeUInt32LE(value.length, 4 + name.length);
  bytes.set(value, 8 + name.length);
  return bytes;
}
