import { RundleError } from '../errors.js';
import { displayPath, type FileRecord } from './census.js';
import { piecesBetween } from './content.js';
import { FragmentPlan } from './fragment-plan.js';
import type { PackingItem, PlannedBlock } from './packing-item.js';
import { blockToCopy, fragmentsToCopy } from './reuse.js';

/**
 * More blocks than this are refused: the list of a file's blocks stands in its inode, and a hole needs no
 * bytes in the source, so that a small image could ask for any amount.
 */
const MAX_BLOCKS = 2 ** 24;

/** Blocks in one job, at most; and the bytes to be read for them, unless a single block has more. */
const MAX_JOB_BLOCKS = 512;
const JOB_BYTES = 1024 * 1024;

/** Refuses files that would need too many blocks: E_UNSUPPORTED. */
export function assertBlockCount(files: readonly FileRecord[], blockSize: number): void {
  let blocks = 0;
  for (const { node, directory, name } of files) {
    blocks += Math.floor(node.size / blockSize);
    if (blocks <= MAX_BLOCKS) continue;
    throw new RundleError(
      'E_UNSUPPORTED',
      `storing ${displayPath(directory, name)} (${node.size} bytes): the image needs more than ${MAX_BLOCKS} blocks`,
      { hint: 'use larger blocks, or leave the file out' },
    );
  }
}

/**
 * The blocks of all files in the order in which they are written, in jobs of about 1 MiB. It depends on sizes alone.
 *
 * A file smaller than a block goes into a fragment block together with the next ones; the end of a larger one
 * is a shorter block of its own, as mksquashfs does by default. With `reuse` blocks of images are copied where that can be, those of a
 * tree that did not change in the order in which they were. Places in fragments are set in the layouts when their block comes;
 * fragment blocks are numbered from `firstFragment` on.
 */
export function* planJobs(
  items: readonly PackingItem[],
  blockSize: number,
  reuse: boolean,
  firstFragment = 0,
): Generator<PlannedBlock[]> {
  let job: PlannedBlock[] = [];
  let bytes = 0;
  for (const block of planBlocks(items, blockSize, reuse, firstFragment)) {
    const length = block.request.pieces.length === 0 ? 0 : block.request.length;
    if (job.length > 0 && (job.length === MAX_JOB_BLOCKS || bytes + length > JOB_BYTES)) {
      yield job;
      job = [];
      bytes = 0;
    }
    job.push(block);
    bytes += length;
  }
  if (job.length > 0) yield job;
}

function* planBlocks(
  items: readonly PackingItem[],
  blockSize: number,
  reuse: boolean,
  firstFragment: number,
): Generator<PlannedBlock> {
  const copied = reuse ? fragmentsToCopy(items, blockSize) : undefined;
  const fragments = new FragmentPlan(blockSize, firstFragment);
  for (const item of items) {
    const { size } = item.file.node;
    const fragment = copied?.get(item);
    if (size >= blockSize || item.raw) {
      const tail = fragment === undefined ? 0 : size % blockSize;
      yield* dataBlocks(item, blockSize, size - tail, reuse);
    }
    if (fragment !== undefined) yield* fragments.keep(item, fragment);
    else if (size > 0 && size < blockSize && !item.raw) yield* fragments.add(item);
  }
  yield* fragments.end();
}

function* dataBlocks(
  item: PackingItem,
  blockSize: number,
  end: number,
  reuse: boolean,
): Generator<PlannedBlock> {
  const { extents } = item.file.node;
  for (let at = 0; at < end; at += blockSize) {
    const length = Math.min(blockSize, end - at);
    const pieces = piecesBetween(extents, at, at + length, -at, item.number);
    const compress = !item.raw;
    const copy = reuse ? blockToCopy({ length, pieces }, compress) : undefined;
    const request = { length, pieces, sparse: true, compress, ...(copy !== undefined && { copy }) };
    yield { request, layout: item.layout };
  }
}
