/**
 * Names, link targets and environment values are bytes on Linux, not text. A ByteString holds one
 * byte per character (U+0000 to U+00FF, "latin1"): it can be a Map key, compares with `<` in byte
 * order, and never loses a byte that is not UTF-8.
 */
export type ByteString = string & { readonly __bytes: unique symbol };

/** The bytes of `buffer` as a ByteString. */
export function fromBytes(buffer: Uint8Array): ByteString {
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength).toString(
    'latin1',
  ) as ByteString;
}

/** The UTF-8 encoding of `text` as a ByteString. */
export function fromText(text: string): ByteString {
  return Buffer.from(text, 'utf8').toString('latin1') as ByteString;
}

/** The bytes themselves. */
export function toBytes(bytes: ByteString): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/** Readable form for messages: UTF-8 where it is valid, `\xNN` for bytes that are not printable text. */
export function toDisplay(bytes: ByteString): string {
  const text = toBytes(bytes).toString('utf8');
  const source = text.includes('\uFFFD') ? bytes : text;
  let out = '';
  for (const character of source) {
    const code = character.codePointAt(0) ?? 0;
    const raw = source === bytes && code > 0x7e;
    out +=
      code < 0x20 || code === 0x7f || raw ? `\\x${code.toString(16).padStart(2, '0')}` : character;
  }
  return out;
}
