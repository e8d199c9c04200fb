import { inflateSync } from 'node:zlib';
import { reasonOf } from '../errors.js';
import { damagedData } from './damage.js';

/** Smallest output buffer that Node's zlib accepts, in bytes. */
const MIN_CHUNK = 64;

/** Decodes zlib's format (RFC 1950), which SquashFS calls gzip. A `Decode`. */
export function inflate(stored: Uint8Array, limit: number): Uint8Array {
  try {
    return inflateSync(stored, {
      maxOutputLength: Math.max(limit, 1),
      chunkSize: Math.max(limit, MIN_CHUNK),
    });
  } catch (error) {
    throw damagedData('gzip', reasonOf(error));
  }
}
