import { z } from 'zod';
import { type ByteString, fromBytes, fromText, toBytes } from '../tree/byte-string.js';

/** Bytes in a JSON document: the text itself when they are UTF-8, otherwise their base64. */
export type JsonBytes = string | { base64: string };

export const jsonBytesSchema: z.ZodType<JsonBytes> = z.union([
  z.string(),
  z.object({ base64: z.base64() }),
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
