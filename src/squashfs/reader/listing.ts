import { RundleError } from '../../errors.js';
import { type ByteString, fromBytes, toDisplay } from '../../tree/byte-string.js';
import type { Cursor } from './metadata.js';

/** Linux cannot have longer names (NAME_MAX). */
const MAX_NAME = 255;
const MAX_RUN = 256;

/** An entry of a directory: where its inode is, and of which type. */
export interface ListedEntry {
  name: ByteString;
  /** Block and offset in the inode table. */
  block: number;
  offset: number;
  /** Inode type in its short form. */
  type: number;
}

/** The entries of a listing of `size` bytes at the cursor. Throws E_FORMAT, also for names that no directory can have. */
export function* readListing(cursor: Cursor, size: number): Generator<ListedEntry> {
  let left = size;
  const take = (length: number): Buffer => {
    left -= length;
    if (left < 0) throw damaged('its listing ends within an entry');
    return cursor.bytes(length);
  };
  while (left > 0) {
    const header = take(12);
    const count = header.readUInt32LE(0) + 1;
    const block = header.readUInt32LE(4);
    if (count > MAX_RUN) throw damaged(`its listing has ${count} entries under one header`);
    for (let i = 0; i < count; i++) {
      const entry = take(8);
      const name = fromBytes(take(entry.readUInt16LE(6) + 1));
      assertName(name);
      yield { name, block, offset: entry.readUInt16LE(0), type: entry.readUInt16LE(4) };
    }
  }
}

function assertName(name: ByteString): void {
  if (name.length > MAX_NAME) throw damaged(`a name in it has ${name.length} bytes`);
  if (name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw damaged(`it has an entry with the name "${toDisplay(name)}"`);
  }
}

function damaged(what: string): RundleError {
  return new RundleError('E_FORMAT', what);
}
