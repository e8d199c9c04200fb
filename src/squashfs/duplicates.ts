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
 * Finds files with equal contents; equality is that of size and SHA-256. `files` are all of them, stage after stage; contents are read when their stage
 * is there.
 *
 * Only files that share their size with another are looked at, at first in their first 64 KiB, and only those that are equal so
 * far are read to the end: nearly all others are read once, when they are packed. Where the other is of another stage, which cannot be read at the same time, they are read to
 * the end at once. Files of one image that holds equal contents once are not read: they are equal when they are in the same place.
 */
export class DuplicateSearch {
  readonly #pool: WorkerPool;
  readonly #files: readonly FileRecord[];
  readonly #sameSize: ReadonlySet<number>;
  readonly #places: ReadonlyMap<number, string>;
  /** Sizes of files of several stages. */
  readonly #spread: ReadonlySet<number>;
  readonly #firsts = new Map<string, number>();
  #searched = 0;

  /** `stages`: how many files each stage has. */
  constructor(pool: WorkerPool, files: readonly FileRecord[], stages: readonly number[]) {
    this.#pool = pool;
    this.#files = files;
    const all = files.map((_, number) => number).filter((number) => sizeOf(files, number) > 0);
    const sameSize = sharing(all, (number) => sizeOf(files, number));
    this.#sameSize = new Set(sameSize);
    this.#places = placesInImage(files, sameSize);
    this.#spread = sizesOfSeveral(files, stages);
  }

  /**
   * Looks at the next stage, `count` files. The result maps the number (index in `files`) of each later file to that of the first of its kind, which may be of
   * an earlier stage. Throws E_SOURCE, E_FORMAT.
   */
  async next(count: number): Promise<Map<number, number>> {
    const files = this.#files;
    const sizeAt = (number: number) => sizeOf(files, number);
    const numbers = Array.from({ length: count }, (_, i) => this.#searched + i);
    this.#searched += count;
    const candidates = numbers.filter((number) => this.#sameSize.has(number));
    const isLong = (number: number) => sizeAt(number) > DIGEST_UNIT && !this.#places.has(number);
    const isSpread = (number: number) => this.#spread.has(sizeAt(number));

    const unknown = candidates.filter(
      (number) => !this.#places.has(number) && !(isSpread(number) && isLong(number)),
    );
    const known = await this.#digests(unknown, DIGEST_UNIT);
    for (const number of candidates) {
      const place = this.#places.get(number);
      if (place !== undefined) known.set(number, place);
    }
    const keyOf = (number: number) => `${sizeAt(number)} ${known.get(number)}`;
    const sameStart = new Set(sharing(candidates, keyOf));
    const left = candidates.filter((number) => isSpread(number) || sameStart.has(number));
    const long = left.filter(isLong);
    for (const [number, digest] of await this.#digests(long, Number.POSITIVE_INFINITY)) {
      known.set(number, digest);
    }

    const duplicates = new Map<number, number>();
    for (const number of left) {
      const first = this.#firsts.get(keyOf(number));
      if (first === undefined) this.#firsts.set(keyOf(number), number);
      else duplicates.set(number, first);
    }
    return duplicates;
  }

  /** The digests of the first `limit` bytes of files. */
  async #digests(numbers: readonly number[], limit: number): Promise<Map<number, string>> {
    const result = new Map<number, string>();
    const batches = batchesOf(this.#files, numbers, limit);
    const digested = inOrder(batches, 2 * this.#pool.capacity, (batch) =>
      this.#pool.digest(batch.map((number) => contentOf(this.#files, number, limit))),
    );
    for await (const [batch, answers] of digested) {
      for (const [i, number] of batch.entries()) result.set(number, answers[i] as string);
    }
    return result;
  }
}

function sizesOfSeveral(files: readonly FileRecord[], stages: readonly number[]): Set<number> {
  const stageOf = new Map<number, number>();
  const spread = new Set<number>();
  let number = 0;
  for (const [stage, count] of stages.entries()) {
    for (const end = number + count; number < end; number += 1) {
      const size = sizeOf(files, number);
      if ((stageOf.get(size) ?? stage) !== stage) spread.add(size);
      stageOf.set(size, stage);
    }
  }
  return spread;
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
