import type { RegularFile } from '../tree/node.js';
import type { Census, FileRecord } from './census.js';
import { DuplicateSearch } from './duplicates.js';
import type { EarlyPacking } from './early-packing.js';
import { storedSize } from './job.js';
import { addBlock, emptyLayout, type FileLayout } from './layout.js';
import { inOrder } from './ordered.js';
import type { PayloadOutput } from './output.js';
import type { PackingItem, PlannedBlock } from './packing-item.js';
import { packingOrder } from './packing-order.js';
import { assertBlockCount, planJobs } from './plan.js';
import { planStages, type Stage } from './stages.js';

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

/** The files in the order of packing, stage after stage. */
export function stagesToPack(census: Census, rawFirst: readonly RegularFile[]): Stage[] {
  return planStages(packingOrder(census.files, rawFirst), rawFirst);
}

/**
 * Writes the contents of all files as data and fragment blocks. What is in memory is bounded by the number of workers and
 * the block size. A message's file number counts through the files of all stages. Throws E_SOURCE, E_DIGEST, E_FORMAT, E_OUTPUT, E_UNSUPPORTED.
 */
export async function writeDataSection(
  early: EarlyPacking,
  output: PayloadOutput,
  stages: readonly Stage[],
  contentBytes: number,
  options: DataOptions,
): Promise<DataSection> {
  const { blockSize, onProgress } = options;
  const files = stages.flatMap((stage) => stage.files);
  assertBlockCount(files, blockSize);
  const { pool } = early;
  const search = new DuplicateSearch(
    pool,
    files,
    stages.map((stage) => stage.files.length),
  );
  const raw = new Set(options.rawFirst);
  const layouts = new Map<RegularFile, FileLayout>();
  const fragments: Fragment[] = [];
  let duplicateBytes = 0;
  let done = 0;
  onProgress(done, contentBytes);
  let from = 0;
  for (const stage of stages) {
    await readyLayers(stages, stage);
    const duplicates = await search.next(stage.files.length);
    const items: PackingItem[] = [];
    for (const [index, file] of stage.files.entries()) {
      const number = from + index;
      const first = duplicates.get(number);
      if (first !== undefined) {
        layouts.set(file.node, layoutOf(layouts, files[first] as FileRecord));
        duplicateBytes += file.node.size;
        done += file.node.size;
        continue;
      }
      const layout = emptyLayout();
      layouts.set(file.node, layout);
      items.push({ number, file, layout, raw: raw.has(file.node) });
    }
    from += stage.files.length;
    onProgress(done, contentBytes);

    const jobs = planJobs(items, blockSize, options.reuse, fragments.length);
    const packed = inOrder(jobs, 2 * pool.capacity, (job) =>
      early.pack(job.map(({ request }) => request)),
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
  }
  return { layouts, fragments: fragmentEntries(fragments), duplicateBytes };
}

/** Has the layers of a stage uncompressed, and those of the others taken away. */
async function readyLayers(stages: readonly Stage[], { parts }: Stage): Promise<void> {
  const layers = stages.flatMap((stage) => [...stage.parts.keys()]);
  for (const spool of new Set(layers.map((layer) => layer.spool))) {
    const own = [...parts].filter(([layer]) => layer.spool === spool);
    await spool.keepOnly(new Map(own));
  }
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
