import { RundleError } from '../errors.js';
import { type ByteString, fromBytes } from '../tree/byte-string.js';
import { parseNumber } from './tar-number.js';

export const BLOCK = 512;

/** The fields of one 512-byte header; what they mean together is for `tar-reader.ts`. */
export interface TarHeader {
  /** Prefix and name put together. */
  name: ByteString;
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of data that follow, before padding, for the types that have data. */
  size: number;
  mtime: number;
  type: string;
  linkName: ByteString;
  major: number;
  minor: number;
  /** A copy of the block, for extensions that lie in its unused part. */
  block: Uint8Array;
}

/** True for a block of zeros; two of them end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/**
 * Decodes one header block: version 7, POSIX ustar, star and GNU. `where` says which archive, for messages.
 * Throws E_FORMAT when the checksum is wrong or a number is not one.
 */
export function parseHeader(block: Uint8Array, where: string): TarHeader {
  verifyChecksum(block, where);
  const magic = fromBytes(block.subarray(257, 265));
  const posix = magic.startsWith('ustar\0');
  const gnu = magic === 'ustar  \0';
  // star ends its header with "tar\0" and has times where ustar's prefix goes on.
  const star = posix && fromBytes(block.subarray(508, 512)) === 'tar\0';
  const prefix = posix ? text(block, 345, star ? 131 : 155) : '';
  const base = text(block, 0, 100);
  const name = (prefix === '' ? base : `${prefix}/${base}`) as ByteString;
  const number = (at: number, length: number, field: string) =>
    parseNumber(block.subarray(at, at + length), `${where}: the ${field} of an entry`);
  return {
    name,
    mode: number(100, 8, 'mode'),
    uid: number(108, 8, 'owner'),
    gid: number(116, 8, 'group'),
    size: number(124, 12, 'size'),
    mtime: number(136, 12, 'time'),
    type: String.fromCharCode(block[156] ?? 0),
    linkName: text(block, 157, 100),
    major: posix || gnu ? number(329, 8, 'device number') : 0,
    minor: posix || gnu ? number(337, 8, 'device number') : 0,
    block: Uint8Array.from(block),
  };
}

/** The bytes up to the first NUL. */
function text(block: Uint8Array, at: number, length: number): ByteString {
  const field = block.subarray(at, at + length);
  const end = field.indexOf(0);
  return fromBytes(end < 0 ? field : field.subarray(0, end));
}

/** POSIX sums unsigned bytes; some old programs summed signed ones, and every reader takes both. */
function verifyChecksum(block: Uint8Array, where: string): void {
  const stored = parseNumber(block.subarray(148, 156), `${where}: the checksum of an entry`);
  let unsigned = 8 * 0x20;
  let signed = unsigned;
  for (let at = 0; at < BLOCK; at += 1) {
    if (at >= 148 && at < 156) continue;
    const byte = block[at] ?? 0;
    unsigned += byte;
    signed += byte < 0x80 ? byte : byte - 0x100;
  }
  if (stored !== unsigned && stored !== signed) {
    throw new RundleError(
      'E_FORMAT',
      `${where}: a header's checksum is wrong: it is damaged or not a tar archive`,
    );
  }
}
