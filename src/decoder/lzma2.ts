import { damagedData } from './damage.js';
import { LzmaDecoder } from './lzma.js';

/**
 * Decodes the LZMA2 chunks of `bytes` from `start` on into at most `limit` bytes, and tells where they end. The output is the
 * dictionary at the same time: SquashFS never has a larger one than its blocks.
 * Throws E_FORMAT.
 */
export function decodeLzma2(
  bytes: Buffer,
  start: number,
  limit: number,
): { output: Buffer; end: number } {
  const output = Buffer.allocUnsafe(limit);
  const lzma = new LzmaDecoder(bytes, output);
  let at = start;
  let fresh = true;
  let known = false;
  for (;;) {
    const control = bytes[at++];
    if (control === undefined) throw damagedData('xz', 'it has no end');
    if (control === 0) return { output: output.subarray(0, lzma.position), end: at };
    if (control > 2 && control < 0x80) throw damagedData('xz', `a chunk of kind ${control}`);
    const plain = control < 0x80;
    const reset = (control >> 5) & 3;
    const newDictionary = plain ? control === 1 : reset === 3;
    if (fresh && !newDictionary) throw damagedData('xz', 'it does not begin with a new dictionary');
    fresh = false;
    if (newDictionary) lzma.resetDictionary();

    const headerEnd = at + (plain ? 2 : reset >= 2 ? 5 : 4);
    if (headerEnd > bytes.length) throw damagedData('xz', 'it ends within a chunk');
    const size = (plain ? 0 : (control & 31) << 16) + bytes.readUInt16BE(at) + 1;
    const storedSize = plain ? size : bytes.readUInt16BE(at + 2) + 1;
    if (headerEnd + storedSize > bytes.length) throw damagedData('xz', 'it ends within a chunk');
    if (size > limit - lzma.position) throw damagedData('xz', `it has more than ${limit} bytes`);
    if (plain) {
      lzma.append(bytes.subarray(headerEnd, headerEnd + size));
    } else {
      if (reset >= 2) {
        lzma.setProperties(bytes[headerEnd - 1] as number);
        known = true;
      }
      if (!known) throw damagedData('xz', 'a chunk has no properties');
      if (reset >= 1) lzma.resetState();
      lzma.decodeChunk(headerEnd, storedSize, size);
    }
    at = headerEnd + storedSize;
  }
}
