import { RundleError } from '../errors.js';

export type Compression = 'none' | 'gzip' | 'zstd';

/** Bytes of a file's start that are enough to recognise a compression. */
export const SNIFF_LENGTH = 8;

/**
 * How a blob is compressed, by its first bytes: media types are often wrong, and Docker's archives have none. `where` begins messages.
 * Throws E_UNSUPPORTED for compressions that image layers do not use.
 */
export function detectCompression(start: Uint8Array, where: string): Compression {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  if (bytes.length >= 3 && bytes.readUIntBE(0, 3) === 0x1f8b08) return 'gzip';
  if (bytes.length >= 4) {
    const magic = bytes.readUInt32LE(0);
    if (magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5) return 'zstd';
  }
  const other = OTHERS.find(([signature]) => bytes.toString('latin1').startsWith(signature));
  if (other === undefined) return 'none';
  throw new RundleError('E_UNSUPPORTED', `${where}: it is compressed with ${other[1]}`, {
    hint: 'plain, gzip and zstd can be read; compress it anew',
  });
}

const OTHERS: readonly (readonly [signature: string, name: string])[] = [
  ['\xfd7zXZ\0', 'xz'],
  ['BZh', 'bzip2'],
  ['\x04"M\x18', 'lz4'],
  ['LZIP', 'lzip'],
];
