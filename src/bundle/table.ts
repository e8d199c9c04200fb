import { createHash } from 'node:crypto';
import { RundleError } from '../errors.js';
import { damaged, readSize } from './damage.js';
import { FOOTER_SIZE, type Footer } from './footer.js';
import { isKnownKind, type Section, sectionName } from './section.js';

const MAGIC = Buffer.from('RNDLTABL', 'latin1');
const HEADER_SIZE = 16;
const ENTRY_SIZE = 64;
const REQUIRED = 1;

/** Most sections that a bundle may have. */
export const SECTION_LIMIT = 256;

/** Bytes that the table of `count` sections takes. */
export function tableSize(count: number): number {
  return HEADER_SIZE + count * ENTRY_SIZE;
}

/**
 * The section table (stub/README.md, "Section table"). The sections are given ascending by offset and do not
 * overlap; 1 to 256. Throws E_UNSUPPORTED for more.
 */
export function encodeTable(sections: readonly Section[]): Buffer {
  if (sections.length < 1 || sections.length > SECTION_LIMIT) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `writing the section table: ${sections.length} sections, a bundle has 1 to ${SECTION_LIMIT}`,
    );
  }
  const bytes = Buffer.alloc(tableSize(sections.length));
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32LE(sections.length, 8);
  bytes.writeUInt32LE(ENTRY_SIZE, 12);
  for (const [number, section] of sections.entries()) {
    const at = HEADER_SIZE + number * ENTRY_SIZE;
    bytes.writeUInt32LE(section.kind, at);
    bytes.writeUInt32LE(section.machine, at + 4);
    bytes.writeUInt32LE(section.required ? REQUIRED : 0, at + 8);
    bytes.writeUInt32LE(section.index, at + 12);
    bytes.writeBigUInt64LE(BigInt(section.offset), at + 16);
    bytes.writeBigUInt64LE(BigInt(section.size), at + 24);
    bytes.write(section.sha256, at + 32, 'hex');
  }
  return bytes;
}

/**
 * Reads the table that `footer` announces; `where` names the file for messages. Every section returned lies
 * within the file, outside of table and footer, after the one before it. Throws E_BUNDLE, also for a
 * section that is required and not known.
 */
export function decodeTable(input: Uint8Array, footer: Footer, where: string): Section[] {
  const bytes = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
  if (createHash('sha256').update(bytes).digest('hex') !== footer.tableSha256) {
    throw damaged(where, 'the section table is damaged: its checksum differs');
  }
  if (bytes.length < HEADER_SIZE || !MAGIC.equals(bytes.subarray(0, MAGIC.length))) {
    throw damaged(where, 'the section table does not begin as one');
  }
  const count = bytes.readUInt32LE(8);
  const entrySize = bytes.readUInt32LE(12);
  if (count < 1 || count > SECTION_LIMIT) {
    throw damaged(where, `the section table counts ${count} sections, not 1 to ${SECTION_LIMIT}`);
  }
  if (entrySize < ENTRY_SIZE || HEADER_SIZE + count * entrySize !== bytes.length) {
    throw damaged(
      where,
      `the section table has ${bytes.length} bytes for ${count} entries of ${entrySize}`,
    );
  }
  const sections: Section[] = [];
  for (let number = 0; number < count; number++) {
    const section = decodeEntry(bytes, HEADER_SIZE + number * entrySize, where);
    checkPlace(section, sections.at(-1), footer, where);
    if (sections.some((other) => sectionName(other) === sectionName(section))) {
      throw damaged(where, `the section table lists the ${sectionName(section)} twice`);
    }
    sections.push(section);
  }
  return sections;
}

function decodeEntry(bytes: Buffer, at: number, where: string): Section {
  const flags = bytes.readUInt32LE(at + 8);
  const section = {
    kind: bytes.readUInt32LE(at),
    machine: bytes.readUInt32LE(at + 4),
    required: (flags & REQUIRED) !== 0,
    index: bytes.readUInt32LE(at + 12),
  };
  const name = sectionName(section);
  if (section.required && !isKnownKind(section.kind)) {
    throw damaged(
      where,
      `it needs the ${name}, which this rundle does not know`,
      'use a newer rundle',
    );
  }
  return {
    ...section,
    offset: readSize(bytes, at + 16, where, `offset of the ${name}`),
    size: readSize(bytes, at + 24, where, `size of the ${name}`),
    sha256: bytes.toString('hex', at + 32, at + 64),
  };
}

function checkPlace(
  section: Section,
  before: Section | undefined,
  footer: Footer,
  where: string,
): void {
  const end = section.offset + section.size;
  const overlapsTable =
    section.size > 0 &&
    section.offset < footer.tableOffset + footer.tableSize &&
    end > footer.tableOffset;
  if (
    end > footer.fileSize - FOOTER_SIZE ||
    overlapsTable ||
    (before !== undefined && section.offset < before.offset + before.size)
  ) {
    throw damaged(
      where,
      `the section table places the ${sectionName(section)} at ${section.offset}, ${section.size} bytes, which overlaps or lies outside`,
    );
  }
}
