import { createHash } from 'node:crypto';
import { damaged, readSize, wrongSize } from './damage.js';

/** Bytes at the end of every bundle (stub/README.md, "Footer"). */
export const FOOTER_SIZE = 128;

/** Most bytes that a section table may take. */
export const TABLE_LIMIT = 65_536;

const MAGIC = Buffer.from('\x89RUNDLE\n', 'latin1');
const MAJOR = 1;
const MINOR = 0;
const CHECKSUM_AT = 96;

/** Where the section table is and what the file must be. Sizes and offsets in bytes. */
export interface Footer {
  tableOffset: number;
  tableSize: number;
  /** SHA-256 of the table, 64 lower-case hex digits. */
  tableSha256: string;
  /** Size of the whole file. */
  fileSize: number;
  /** Format minor version. */
  minor: number;
}

/** The 128 bytes of a footer of this format version. */
export function encodeFooter(footer: Omit<Footer, 'minor'>): Buffer {
  const bytes = Buffer.alloc(FOOTER_SIZE);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(MAJOR, 8);
  bytes.writeUInt16LE(MINOR, 10);
  bytes.writeUInt32LE(FOOTER_SIZE, 12);
  bytes.writeBigUInt64LE(BigInt(footer.tableOffset), 16);
  bytes.writeBigUInt64LE(BigInt(footer.tableSize), 24);
  bytes.write(footer.tableSha256, 32, 'hex');
  bytes.writeBigUInt64LE(BigInt(footer.fileSize), 64);
  checksum(bytes).copy(bytes, CHECKSUM_AT);
  return bytes;
}

/** True when the bytes begin as a footer does, whatever its version. */
export function hasFooterMagic(bytes: Uint8Array): boolean {
  return MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

/**
 * Reads the last 128 bytes of a file of `fileSize` bytes; `where` names it for messages. The table lies
 * within the file, before the footer, in what is returned. Throws E_BUNDLE.
 */
export function decodeFooter(input: Uint8Array, fileSize: number, where: string): Footer {
  if (input.length !== FOOTER_SIZE) {
    throw damaged(where, `${fileSize} bytes are too few for a bundle`);
  }
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (!hasFooterMagic(bytes)) {
    throw damaged(
      where,
      `no bundle footer at its end (${fileSize} bytes): not a bundle, truncated, extended or damaged`,
    );
  }
  // Before the checksum: another major version may have it elsewhere.
  const major = bytes.readUInt16LE(8);
  const minor = bytes.readUInt16LE(10);
  if (major !== MAJOR) {
    throw damaged(
      where,
      `bundle format version ${major}.${minor} is unknown, this rundle reads ${MAJOR}`,
      'use the rundle that made the file, or a newer one',
    );
  }
  if (!checksum(bytes).equals(bytes.subarray(CHECKSUM_AT))) {
    throw damaged(where, 'the footer is damaged: its checksum differs');
  }
  if (bytes.readUInt32LE(12) !== FOOTER_SIZE) {
    throw damaged(where, `the footer size is ${bytes.readUInt32LE(12)} instead of ${FOOTER_SIZE}`);
  }
  const recorded = readSize(bytes, 64, where, "footer's file size");
  if (recorded !== fileSize) throw wrongSize(where, fileSize, recorded);
  const tableOffset = readSize(bytes, 16, where, "footer's table offset");
  const tableSize = readSize(bytes, 24, where, "footer's table size");
  const end = fileSize - FOOTER_SIZE;
  if (tableSize > TABLE_LIMIT || tableOffset > end || tableSize > end - tableOffset) {
    throw damaged(
      where,
      `the footer places the section table at ${tableOffset}, ${tableSize} bytes, which cannot be`,
    );
  }
  const tableSha256 = bytes.toString('hex', 32, 64);
  return { tableOffset, tableSize, tableSha256, fileSize, minor };
}

function checksum(footer: Buffer): Buffer {
  return createHash('sha256').update(footer.subarray(0, CHECKSUM_AT)).digest();
}
