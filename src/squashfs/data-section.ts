import type { RegularFile } from '../tree/node.js';
import type { Census, FileRecord } from './census.js';
import { findDuplicates } from './duplicates.js';
import { storedSize } from './job.js';
import { addBlock, emptyLayout, type FileLayout } from './layout.js';
import { inOrder } from './ordered.js';
import type { PayloadOutput } from './output.js';
import type { PackingItem, PlannedBlock } from './packing-item.js';
import { packingOrder } from './packing-order.js';
import { assertBlockCount, planJobs } from './plan.js';
import type { WorkerPool } from './pool.js';

export interface DataOptions {
  /** Bytes. */
  blockSize: number;
  /** Files to store first, uncompressed. */
  rawFirst: readonly RegularFile[];
  /** Copy blocks of images where they have the form wanted. */
  reuse: boolean;
  /** Called with the bytes of content that are done, and all of them. */
  onProgress: (done: number, total: number) => void;
}

/** What the data section holds. */
export interface DataSection {
  layouts: Map<RegularFile, FileLayout>;
  /** Entries of the fragment table, 16 bytes each. */
  fragments: Buffer;
  /** Bytes of content that were not stored again. */
  duplicateBytes: number;
}

/** The files in the order of packing; a message's file number counts in it. */
export function filesToPack(census: Census, rawFirst: readonly RegularFile[]): FileRecord[] {
  return packingOrder(census.files, rawFirst);
}

/**
 * Writes the contents of `files` as data and fragment blocks. What is in memory is bounded by the number of workers and
 * the block size. Throws E_SOURCE, E_OUTPUT, E_UNSUPPORTED.
 */
export async function writeDataSection(
  pool: WorkerPool,
  output: PayloadOutput,
  files: readonly FileRecord[],
  contentBytes: number,
  options: DataOptions,
): Promise<DataSection> {
  const { blockSize, onProgress } = options;
  assertBlockCount(files, blockSize);
  const duplicates = await findDuplicates(pool, files);
  const raw = new Set(options.rawFirst);
  const layouts = new Map<RegularFile, FileLayout>();
  const items: PackingItem[] = [];
  let duplicateBytes = 0;
  for (const [number, file] of files.entries()) {
    const first = duplicates.get(number);
    if (first !== undefined) {
      layouts.set(file.node, layoutOf(layouts, files[first] as FileRecord));
      duplicateBytes += file.node.size;
      continue;
    }
    const layout = emptyLayout();
    layouts.set(file.node, layout);
    items.push({ number, file, layout, raw: raw.has(file.node) });
  }

  const fragments: Fragment[] = [];
  let done = duplicateBytes;
  onProgress(done, contentBytes);
  const jobs = planJobs(items, blockSize, options.reuse);
  const packed = inOrder(jobs, 2 * pool.capacity, (job) =>
    pool.pack(job.map(({ request }) => request)),
  );
  for await (const [job, { words, data }] of packed) {
    let position = output.position;
    for (const [i, block] of job.entries()) {
      const word = words[i] as number;
      place(block, word, position, fragments);
      position += storedSize(word);
      done += block.request.length;
    }
    await output.append(data);
    onProgress(done, contentBytes);
  }
  return { layouts, fragments: fragmentEntries(fragments), duplicateBytes };
}

interface Fragment {
  start: number;
  word: number;
}

function place(
  { layout, request }: PlannedBlock,
  word: number,
  position: number,
  fragments: Fragment[],
): void {
  if (layout === undefined) fragments.push({ start: position, word });
  else addBlock(layout, word, position, request.length);
}

function fragmentEntries(fragments: readonly Fragment[]): Buffer {
  const entries = Buffer.alloc(16 * fragments.length);
  for (const [i, { start, word }] of fragments.entries()) {
    entries.writeBigUInt64LE(BigInt(start), 16 * i);
    entries.writeUInt32LE(word, 16 * i + 8);
  }
  return entries;
}

function layoutOf(layouts: Map<RegularFile, FileLayout>, file: FileRecord): FileLayout {
  const layout = layouts.get(file.node);
  if (layout === undefined) throw new Error('a duplicate comes after the first of its kind');
  return layout;
}
