import type { BlockImage } from '../tree/node.js';
import type { FileRecord } from './census.js';
import { piecesBetween } from './content.js';
import { DIGEST_UNIT } from './content-digest.js';
import type { Content } from './job.js';
import { inOrder } from './ordered.js';
import type { WorkerPool } from './pool.js';

/** Contents in one digest job, at most; and their bytes, unless a single one has more. */
const MAX_CONTENTS = 256;
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Finds files with equal contents. The result maps the number (index in `files`) of each later file to that of the
 * first of its kind; equality is that of size and SHA-256.
 *
 * Only files that share their size with another are looked at, at first in their first 64 KiB, and only those that are equal so
 * far are read to the end: nearly all others are read once, when they are packed. Files of one image that holds equal contents once
 * are not read: they are equal when they are in the same place. Throws E_SOURCE, E_FORMAT.
 */
export async function findDuplicates(
  pool: WorkerPool,
  files: readonly FileRecord[],
): Promise<Map<number, number>> {
  const all = files.map((_, number) => number).filter((number) => sizeOf(files, number) > 0);
  const sameSize = sharing(all, (number) => sizeOf(files, number));
  const places = placesInImage(files, sameSize);
  const unknown = sameSize.filter((number) => !places.has(number));
  const starts = await digests(pool, files, unknown, DIGEST_UNIT);
  for (const [number, place] of places) starts.set(number, place);
  const keyOfStart = (number: number) => `${sizeOf(files, number)} ${starts.get(number)}`;
  const sameStart = sharing(sameSize, keyOfStart);
  const long = sameStart.filter(
    (number) => sizeOf(files, number) > DIGEST_UNIT && !places.has(number),
  );
  const whole = await digests(pool, files, long, Number.POSITIVE_INFINITY);

  const firsts = new Map<string, number>();
  const duplicates = new Map<number, number>();
  for (const number of sameStart) {
    const key = `${sizeOf(files, number)} ${whole.get(number) ?? starts.get(number)}`;
    const first = firsts.get(key);
    if (first === undefined) firsts.set(key, number);
    else duplicates.set(number, first);
  }
  return duplicates;
}

/**
 * The places of files that all files of the same size share one deduplicated image with: what tells them apart in place of
 * digests. Another file of that size, from elsewhere, can only be compared by reading.
 */
function placesInImage(
  files: readonly FileRecord[],
  numbers: readonly number[],
): Map<number, string> {
  const images = new Map<number, BlockImage | undefined>();
  for (const number of numbers) {
    const size = sizeOf(files, number);
    const image = imageOf(files, number);
    images.set(size, !images.has(size) || images.get(size) === image ? image : undefined);
  }
  const places = new Map<number, string>();
  for (const number of numbers) {
    if (images.get(sizeOf(files, number)) === undefined) continue;
    const { extents } = (files[number] as FileRecord).node;
    const parts = extents.map(({ at, offset, data }) =>
      data.kind === 'block' ? `${at}:${data.position}:${offset}` : '',
    );
    places.set(number, parts.join(' '));
  }
  return places;
}

/** The deduplicated image that all of a file lies in. */
function imageOf(files: readonly FileRecord[], number: number): BlockImage | undefined {
  const { extents } = (files[number] as FileRecord).node;
  const [first] = extents;
  if (first?.data.kind !== 'block' || !first.data.image.deduplicated) return undefined;
  const { image } = first.data;
  return extents.every(({ data }) => data.kind === 'block' && data.image === image)
    ? image
    : undefined;
}

/** Those of `numbers` that share their key with another one, in the same order. */
function sharing<Key>(numbers: readonly number[], keyOf: (number: number) => Key): number[] {
  const counts = new Map<Key, number>();
  for (const number of numbers) {
    const key = keyOf(number);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return numbers.filter((number) => (counts.get(keyOf(number)) ?? 0) > 1);
}

/** The digests of the first `limit` bytes of files. */
async function digests(
  pool: WorkerPool,
  files: readonly FileRecord[],
  numbers: readonly number[],
  limit: number,
): Promise<Map<number, string>> {
  const result = new Map<number, string>();
  const batches = batchesOf(files, numbers, limit);
  const digested = inOrder(batches, 2 * pool.capacity, (batch) =>
    pool.digest(batch.map((number) => contentOf(files, number, limit))),
  );
  for await (const [batch, answers] of digested) {
    for (const [i, number] of batch.entries()) result.set(number, answers[i] as string);
  }
  return result;
}

function* batchesOf(
  files: readonly FileRecord[],
  numbers: readonly number[],
  limit: number,
): Generator<number[]> {
  let batch: number[] = [];
  let bytes = 0;
  for (const number of numbers) {
    const length = Math.min(limit, sizeOf(files, number));
    if (batch.length > 0 && (batch.length === MAX_CONTENTS || bytes + length > MAX_BYTES)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(number);
    bytes += length;
  }
  if (batch.length > 0) yield batch;
}

function contentOf(files: readonly FileRecord[], number: number, limit: number): Content {
  const { node } = files[number] as FileRecord;
  const length = Math.min(limit, node.size);
  return { length, pieces: piecesBetween(node.extents, 0, length, 0, number) };
}

function sizeOf(files: readonly FileRecord[], number: number): number {
  return (files[number] as FileRecord).node.size;
}
