import { createHash } from 'node:crypto';

export interface SampleSection {
  kind: number;
  arch?: number;
  flags?: number;
  index?: number;
  bytes: Buffer;
  align?: number;
}

export interface SampleOptions {
  major?: number;
  minor?: number;
  entrySize?: number;
  /** Changes the table before it is hashed. */
  table?: (table: Buffer, offsets: readonly number[]) => void;
  /** Changes the footer before it is hashed. */
  footer?: (footer: Buffer) => void;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

/** A bundle by the letter of stub/README.md, written here on its own so that the reader has a second opinion. */
export function makeBundle(
  sections: readonly SampleSection[],
  options: SampleOptions = {},
): Buffer {
  const parts: Buffer[] = [];
  const offsets: number[] = [];
  let size = 0;
  const add = (bytes: Buffer) => {
    parts.push(bytes);
    size += bytes.length;
  };
  for (const { bytes, align = 4096 } of sections) {
    add(Buffer.alloc((align - (size % align)) % align));
    offsets.push(size);
    add(bytes);
  }
  add(Buffer.alloc((8 - (size % 8)) % 8));
  const entrySize = options.entrySize ?? 64;
  const table = Buffer.alloc(16 + sections.length * entrySize);
  table.write('RNDLTABL', 0, 'latin1');
  table.writeUInt32LE(sections.length, 8);
  table.writeUInt32LE(entrySize, 12);
  for (const [i, section] of sections.entries()) {
    const entry = table.subarray(16 + i * entrySize);
    entry.writeUInt32LE(section.kind, 0);
    entry.writeUInt32LE(section.arch ?? 0, 4);
    entry.writeUInt32LE(section.flags ?? 0, 8);
    entry.writeUInt32LE(section.index ?? 0, 12);
    entry.writeBigUInt64LE(BigInt(offsets[i] ?? 0), 16);
    entry.writeBigUInt64LE(BigInt(section.bytes.length), 24);
    sha256(section.bytes).copy(entry, 32);
  }
  options.table?.(table, offsets);
  const footer = Buffer.alloc(128);
  Buffer.from([0x89, 0x52, 0x55, 0x4e, 0x44, 0x4c, 0x45, 0x0a]).copy(footer);
  footer.writeUInt16LE(options.major ?? 1, 8);
  footer.writeUInt16LE(options.minor ?? 0, 10);
  footer.writeUInt32LE(128, 12);
  footer.writeBigUInt64LE(BigInt(size), 16);
  footer.writeBigUInt64LE(BigInt(table.length), 24);
  sha256(table).copy(footer, 32);
  footer.writeBigUInt64LE(BigInt(size + table.length + 128), 64);
  options.footer?.(footer);
  sha256(footer.subarray(0, 96)).copy(footer, 96);
  return Buffer.concat([...parts, table, footer]);
}
