import * as v from 'valibot';
import { object, type Schema } from '../schema.js';
import { type ByteString, fromBytes, fromText, toBytes } from '../tree/byte-string.js';

/** Bytes in a JSON document: the text itself when they are UTF-8, otherwise their base64. */
export type JsonBytes = string | { base64: string };

export const jsonBytesSchema: Schema<JsonBytes> = v.union([
  v.string(),
  object({ base64: v.pipe(v.string(), v.check(isBase64, 'Invalid base64-encoded string')) }),
]);

/** Reversible by `decodeJsonBytes`, byte for byte. */
export function encodeJsonBytes(bytes: ByteString): JsonBytes {
  const buffer = toBytes(bytes);
  const text = buffer.toString('utf8');
  return fromText(text) === bytes ? text : { base64: buffer.toString('base64') };
}

/** The bytes that `encodeJsonBytes` was given. */
export function decodeJsonBytes(value: JsonBytes): ByteString {
  return typeof value === 'string'
    ? fromText(value)
    : fromBytes(Buffer.from(value.base64, 'base64'));
}

/** RFC 4648, 4, with padding; as Node decodes it, so that bits left over do not matter. */
function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
