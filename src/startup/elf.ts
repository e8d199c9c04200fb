import { type ByteString, fromBytes } from '../tree/byte-string.js';
import { readContent } from '../tree/content.js';
import type { RegularFile } from '../tree/node.js';

/** What a dynamically linked program or library asks its loader for (System V ABI, gABI chapter 5). */
export interface ElfNeeds {
  /** Path of the loader (PT_INTERP); undefined for a library or a static program. */
  interpreter: ByteString | undefined;
  /** Names of the libraries it is linked with (DT_NEEDED). */
  needed: ByteString[];
  /** Directories to search first (DT_RUNPATH, DT_RPATH), `$ORIGIN` not replaced. */
  searchPath: ByteString[];
}

const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DT_RPATH = 15;
const DT_RUNPATH = 29;

/** Bounds on what is read of a file that claims to be ELF: a damaged one is just not looked into further. */
const MAX_HEADERS = 128;
const MAX_DYNAMIC = 64 * 1024;
const MAX_STRING = 4096;

/** What `file` needs, or undefined when it is no 64-bit little-endian ELF file that makes sense. */
export async function readElfNeeds(file: RegularFile): Promise<ElfNeeds | undefined> {
  const header = await readContent(file, 0, 64);
  if (header.length < 64 || header.readUInt32BE(0) !== 0x7f454c46) return undefined;
  if (header[4] !== 2 || header[5] !== 1) return undefined;
  const count = header.readUInt16LE(56);
  if (header.readUInt16LE(54) !== 56 || count > MAX_HEADERS) return undefined;
  const segments = segmentsOf(await readContent(file, readOffset(header, 32), count * 56));
  const needs: ElfNeeds = { interpreter: undefined, needed: [], searchPath: [] };
  const interpreter = segments.find((segment) => segment.type === PT_INTERP);
  if (interpreter !== undefined) {
    needs.interpreter = await readString(file, interpreter.offset);
  }
  const dynamic = segments.find((segment) => segment.type === PT_DYNAMIC);
  if (dynamic !== undefined) await readDynamic(file, segments, dynamic, needs);
  return needs;
}

interface Segment {
  type: number;
  offset: number;
  address: number;
  size: number;
}

/** Offsets above 2^53 cannot be those of a real file: NaN reads nothing. */
function readOffset(buffer: Buffer, at: number): number {
  const value = buffer.readBigUInt64LE(at);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.NaN : Number(value);
}

function segmentsOf(table: Buffer): Segment[] {
  const segments: Segment[] = [];
  for (let at = 0; at + 56 <= table.length; at += 56) {
    segments.push({
      type: table.readUInt32LE(at),
      offset: readOffset(table, at + 8),
      address: readOffset(table, at + 16),
      size: readOffset(table, at + 32),
    });
  }
  return segments;
}

async function readDynamic(
  file: RegularFile,
  segments: Segment[],
  dynamic: Segment,
  needs: ElfNeeds,
): Promise<void> {
  const table = await readContent(file, dynamic.offset, Math.min(dynamic.size, MAX_DYNAMIC));
  const entries: [tag: number, value: number][] = [];
  for (let at = 0; at + 16 <= table.length; at += 16) {
    const tag = readOffset(table, at);
    if (tag === 0) break;
    entries.push([tag, readOffset(table, at + 8)]);
  }
  const address = entries.find(([tag]) => tag === DT_STRTAB)?.[1];
  const holder = segments.find(
    (segment) =>
      segment.type === PT_LOAD &&
      address !== undefined &&
      address >= segment.address &&
      address < segment.address + segment.size,
  );
  if (address === undefined || holder === undefined) return;
  const strings = holder.offset + (address - holder.address);
  for (const [tag, value] of entries) {
    if (tag === DT_NEEDED) needs.needed.push(await readString(file, strings + value));
    if (tag === DT_RPATH || tag === DT_RUNPATH) {
      const path = await readString(file, strings + value);
      needs.searchPath.push(...(path.split(':') as ByteString[]));
    }
  }
}

async function readString(file: RegularFile, offset: number): Promise<ByteString> {
  const bytes = await readContent(file, offset, MAX_STRING);
  const end = bytes.indexOf(0);
  return fromBytes(end < 0 ? bytes.subarray(0, 0) : bytes.subarray(0, end));
}
