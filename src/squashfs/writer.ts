import type { FileHandle } from 'node:fs/promises';
import type { Compressor } from '../decoder/decode.js';
import type { Directory, Omission, RegularFile } from '../tree/node.js';
import { displayPath, type FileRecord, takeCensus } from './census.js';
import { stagesToPack, writeDataSection } from './data-section.js';
import { EarlyPacking } from './early-packing.js';
import { MetadataWriter, writeLookupBlocks, writeLookupTable } from './metadata.js';
import { assertPayloadOptions } from './options.js';
import { PayloadOutput } from './output.js';
import type { WorkerPool } from './pool.js';
import { compressorOptions, encodeSuperblock, SUPERBLOCK_SIZE } from './superblock.js';
import { writeTreeTables } from './tree-tables.js';
import type { XattrTable } from './xattrs.js';

/** The payload's size is a multiple of this: block devices of 4 KiB can hold it. */
const PADDING = 4096;

export interface PayloadOptions {
  /** Bytes: a power of two from 4 KiB to 1 MiB. */
  blockSize: number;
  /** zstd level, 1 to 22. */
  level: number;
  /** Packing threads; no influence on the bytes. */
  workers: number;
  /** Time in the superblock, seconds since 1970: SOURCE_DATE_EPOCH or 0. */
  buildTime: number;
  /**
   * Blocks of images that the tree's contents lie in are copied where they have the form wanted: zstd, this block size, all of their
   * content in the tree. They keep the level they have. True unless given.
   */
  reuse?: boolean;
  /** Files of the tree that every start touches: stored uncompressed, in this order, before all others. */
  rawFirst?: readonly RegularFile[];
  /** Threads, and blocks that they have made already, with the same block size and level; closed afterwards. */
  early?: EarlyPacking;
  /** Called with the bytes of file content that are packed, and their sum. */
  onProgress?: (done: number, total: number) => void;
}

export interface PayloadSummary {
  /** Bytes written, a multiple of 4096. */
  size: number;
  /** SHA-256 of those bytes, hex. */
  sha256: string;
  inodes: number;
  /** Sum of the sizes of the regular files, each inode once. */
  contentBytes: number;
  /** The part of it that was not stored, because another file has the same content. */
  duplicateBytes: number;
  /** What the payload holds in another form, or not at all. */
  omissions: Omission[];
}

/**
 * Writes the tree below `root` as a SquashFS 4.0 image with zstd to `output`, which must be open for reading and
 * writing, from the absolute offset `start` (bytes) on. Nothing but the tree, the contents and the options other than
 * `workers` decides about the bytes.
 *
 * Throws E_USAGE and E_UNSUPPORTED (options, or a tree that SquashFS cannot hold), E_SOURCE and E_FORMAT naming the file whose
 * content cannot be read, is damaged or shorter than the tree says, E_OUTPUT. `output` then holds an unfinished payload.
 */
export async function writePayload(
  root: Directory,
  output: FileHandle,
  start: number,
  options: PayloadOptions,
): Promise<PayloadSummary> {
  const { blockSize, level, rawFirst = [], onProgress = () => undefined } = options;
  assertPayloadOptions(blockSize, level);
  const census = takeCensus(root);
  const stages = stagesToPack(census, rawFirst);
  const files = stages.flatMap((stage) => stage.files);
  const target = new PayloadOutput(output, start);
  const early = options.early ?? new EarlyPacking({ blockSize, level, workers: options.workers });
  const { pool } = early;
  try {
    await pool.prepare(compressorsOf(files), (number) => {
      const file = files[number];
      return file === undefined ? 'a file' : displayPath(file.directory, file.name);
    });
    // Written again when its values are known.
    await target.append(Buffer.alloc(SUPERBLOCK_SIZE));
    await target.append(compressorOptions(level));
    const data = await writeDataSection(early, target, stages, census.contentBytes, {
      blockSize,
      rawFirst,
      reuse: options.reuse ?? true,
      onProgress,
    });
    const tree = await writeTreeTables(pool, target, census, data.layouts);
    const fragmentTable = await writeLookupTable(pool, target, data.fragments);
    const exportTable = await writeLookupTable(pool, target, tree.references);
    const idTable = await writeLookupTable(pool, target, census.ids.entries());
    const xattrTable = await writeXattrs(pool, target, census.xattrs);
    const bytesUsed = target.position;
    await target.append(Buffer.alloc((PADDING - (bytesUsed % PADDING)) % PADDING));
    const superblock = encodeSuperblock({
      inodes: census.inodes.size,
      buildTime: options.buildTime,
      blockSize,
      level,
      fragments: data.fragments.length / 16,
      ids: census.ids.size,
      rootInode: tree.rootInode,
      bytesUsed,
      idTable,
      xattrTable,
      inodeTable: tree.inodeTable,
      directoryTable: tree.directoryTable,
      fragmentTable,
      exportTable,
    });
    await target.writeAt(0, superblock);
    return {
      size: target.position,
      sha256: await target.digest(),
      inodes: census.inodes.size,
      contentBytes: census.contentBytes,
      duplicateBytes: data.duplicateBytes,
      omissions: census.omissions,
    };
  } finally {
    await early.close();
  }
}

/** The compressors of all images that contents lie in. */
function compressorsOf(files: readonly FileRecord[]): Compressor[] {
  const found = new Set<Compressor>();
  for (const { node } of files) {
    for (const { data } of node.extents) {
      if (data.kind === 'block') found.add(data.image.compressor);
    }
  }
  return [...found];
}

/** Writes the tables of extended attributes and gives where the last one, which names the others, begins. */
async function writeXattrs(
  pool: WorkerPool,
  output: PayloadOutput,
  xattrs: XattrTable,
): Promise<number | undefined> {
  if (xattrs.size === 0) return undefined;
  const writer = new MetadataWriter(pool);
  const ids = await xattrs.write(writer);
  const values = await writer.finish(output);
  const starts = await writeLookupBlocks(pool, output, ids);
  const position = output.position;
  const header = Buffer.alloc(16);
  header.writeBigUInt64LE(BigInt(values), 0);
  header.writeUInt32LE(xattrs.size, 8);
  await output.append(Buffer.concat([header, starts]));
  return position;
}
