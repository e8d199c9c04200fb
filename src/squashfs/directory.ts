import { type ByteString, toBytes } from '../tree/byte-string.js';
import { METADATA_SIZE } from './format.js';
import type { MetadataWriter } from './metadata.js';

/** Entries under one header: its count has 8 bits. */
const MAX_RUN = 256;

/** What a directory entry tells about the inode it names. */
export interface Entry {
  name: ByteString;
  /** Reference of the inode in the inode table. */
  reference: number;
  number: number;
  /** Inode type, in its short form. */
  type: number;
}

/** Where the listing of a directory lies in the directory table. */
export interface Listing {
  block: number;
  offset: number;
  /** Uncompressed bytes. */
  size: number;
  /**
   * For each further metadata block: the first header in it, so that a search can begin there. Empty when the listing
   * is shorter than one block.
   */
  index: { position: number; block: number; name: ByteString }[];
}

/**
 * Writes the listing of a directory: `entries` in byte order, in runs that share a header. A run has at most 256 entries, whose
 * inodes lie in one metadata block, and all its entries begin in the metadata block where the header is, which is what
 * the index needs. The format also wants the inodes' numbers within a signed 16-bit difference of the first: in one
 * metadata block they are, because numbers follow the inode table and an inode has at least 20 bytes.
 */
export async function writeListing(
  writer: MetadataWriter,
  entries: readonly Entry[],
): Promise<Listing> {
  if (entries.length === 0) return { block: 0, offset: 0, size: 0, index: [] };
  const listing: Listing = { block: writer.block, offset: writer.offset, size: 0, index: [] };
  let indexed = writer.block;
  for (let from = 0; from < entries.length; ) {
    const first = entries[from] as Entry;
    const run = runAt(entries, from, writer.offset);
    if (writer.block !== indexed) {
      indexed = writer.block;
      listing.index.push({ position: listing.size, block: indexed, name: first.name });
    }
    const bytes = encodeRun(run);
    await writer.write(bytes);
    listing.size += bytes.length;
    from += run.length;
  }
  // A search through so little is quick, and without an index the inode can have its short form.
  if (listing.size < METADATA_SIZE) listing.index = [];
  return listing;
}

/** The entries from `from` on that can share a header which begins at `offset` of a metadata block. */
function runAt(entries: readonly Entry[], from: number, offset: number): readonly Entry[] {
  const first = entries[from] as Entry;
  let position = offset + 12;
  let to = from;
  while (to < entries.length && to - from < MAX_RUN) {
    const entry = entries[to] as Entry;
    if (to > from && (blockOf(entry) !== blockOf(first) || position >= METADATA_SIZE)) break;
    position += 8 + entry.name.length;
    to += 1;
  }
  return entries.slice(from, to);
}

function encodeRun(run: readonly Entry[]): Buffer {
  const first = run[0] as Entry;
  const bytes = Buffer.alloc(run.reduce((sum, { name }) => sum + 8 + name.length, 12));
  bytes.writeUInt32LE(run.length - 1, 0);
  bytes.writeUInt32LE(blockOf(first), 4);
  bytes.writeUInt32LE(first.number, 8);
  let at = 12;
  for (const { name, reference, number, type } of run) {
    at = bytes.writeUInt16LE(reference % 0x1_0000, at);
    at = bytes.writeInt16LE(number - first.number, at);
    at = bytes.writeUInt16LE(type, at);
    at = bytes.writeUInt16LE(name.length - 1, at);
    at += toBytes(name).copy(bytes, at);
  }
  return bytes;
}

function blockOf({ reference }: Entry): number {
  return Math.floor(reference / 0x1_0000);
}
