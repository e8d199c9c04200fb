import { RundleError } from '../errors.js';
import { displayPath, type FileRecord } from './census.js';
import { piecesBetween } from './content.js';
import type { BlockRequest, Piece } from './job.js';
import type { FileLayout } from './layout.js';

/**
 * More blocks than this are refused: the list of a file's blocks stands in its inode, and a hole needs no
 * bytes in the source, so that a small image could ask for any amount.
 */
const MAX_BLOCKS = 2 ** 24;

/** Blocks in one job, at most; and the bytes to be read for them, unless a single block has more. */
const MAX_JOB_BLOCKS = 512;
const JOB_BYTES = 1024 * 1024;

/** A block to be made, and where it belongs: a file's data, or without `layout` the fragment table. */
export interface PlannedBlock {
  request: BlockRequest;
  layout: FileLayout | undefined;
}

/** A file to be packed, with the layout that is filled in. */
export interface PackingItem {
  /** Number of the file for messages. */
  number: number;
  file: FileRecord;
  layout: FileLayout;
  /** Stored uncompressed and without a fragment. */
  raw: boolean;
}

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
 * is a shorter block of its own, as mksquashfs does by default. Places in fragments are set in the layouts at once.
 */
export function* planJobs(
  items: Iterable<PackingItem>,
  blockSize: number,
): Generator<PlannedBlock[]> {
  let job: PlannedBlock[] = [];
  let bytes = 0;
  for (const block of planBlocks(items, blockSize)) {
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

function* planBlocks(items: Iterable<PackingItem>, blockSize: number): Generator<PlannedBlock> {
  let fragment = 0;
  let length = 0;
  let pieces: Piece[] = [];
  const fragmentBlock = (): PlannedBlock => {
    const request = { length, pieces, sparse: false, compress: true };
    fragment += 1;
    length = 0;
    pieces = [];
    return { request, layout: undefined };
  };
  for (const item of items) {
    const { size, extents } = item.file.node;
    if (size >= blockSize || item.raw) {
      yield* dataBlocks(item, blockSize);
      continue;
    }
    if (size === 0) continue;
    if (length + size > blockSize) yield fragmentBlock();
    item.layout.fragment = fragment;
    item.layout.fragmentOffset = length;
    for (const piece of piecesBetween(extents, 0, size, length, item.number)) pieces.push(piece);
    length += size;
  }
  if (length > 0) yield fragmentBlock();
}

function* dataBlocks(item: PackingItem, blockSize: number): Generator<PlannedBlock> {
  const { size, extents } = item.file.node;
  for (let at = 0; at < size; at += blockSize) {
    const length = Math.min(blockSize, size - at);
    const pieces = piecesBetween(extents, at, at + length, -at, item.number);
    const request = { length, pieces, sparse: true, compress: !item.raw };
    yield { request, layout: item.layout };
  }
}
