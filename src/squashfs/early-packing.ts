import { availableParallelism } from 'node:os';
import { type BlockRequest, type PackedBlocks, storedSize, type WorkerSetup } from './job.js';
import { WorkerPool } from './pool.js';

/** Memory for blocks that wait for their payload, in bytes. */
const MEMORY = 64 * 1024 * 1024;

/** Blocks that are remembered until there is time for them: with small blocks an image has any number. */
const MAX_WAITING = 4096;

/** Where a block is. */
interface ReadyBlock {
  path: string;
  /** Bytes. */
  offset: number;
  /** Bytes; no more than the block size. */
  length: number;
}

/** How blocks are made. */
export interface PackingSetup {
  /** Bytes: a power of two from 4 KiB to 1 MiB. */
  blockSize: number;
  /** zstd level, 1 to 22. */
  level: number;
  /** Packing threads; all processors by default. */
  workers?: number;
}

/**
 * Packs blocks of large files before the payload that they belong to is planned, while processors wait for the rest of the source. A block depends on its bytes and the
 * setup alone, so that this has no influence on the payload. Must be closed.
 */
export class EarlyPacking {
  readonly pool: WorkerPool;
  readonly #setup: WorkerSetup;
  readonly #blocks = new Map<string, Promise<PackedBlocks | undefined>>();
  /** Blocks that nobody has begun with, in the order in which they came. */
  readonly #waiting = new Map<string, ReadyBlock>();
  #room = MEMORY;

  /** Starts the threads. */
  constructor(setup: PackingSetup) {
    const { blockSize, level, workers = availableParallelism() } = setup;
    this.#setup = { blockSize, level };
    this.pool = new WorkerPool(workers, this.#setup);
  }

  get blockSize(): number {
    return this.#setup.blockSize;
  }

  /** Packs `length` bytes of a file on disk, a block that a payload probably has, when there is a thread and memory for it. Never throws. */
  add({ path, offset, length }: ReadyBlock): void {
    if (this.#waiting.size === MAX_WAITING) return;
    this.#waiting.set(keyOf(path, offset, length), { path, offset, length });
    this.#packNext();
  }

  /** Whether blocks are made in this way. */
  fits({ blockSize, level }: PackingSetup): boolean {
    return blockSize === this.#setup.blockSize && level === this.#setup.level;
  }

  /** As the pool's `pack`, with what is there already. */
  async pack(blocks: readonly BlockRequest[]): Promise<PackedBlocks> {
    // Every thread has work now, in the order in which it is needed.
    this.#waiting.clear();
    const taken = blocks.map((block) => this.#take(block));
    if (taken.every((block) => block === undefined)) return this.pool.pack(blocks);
    const early = await Promise.all(taken);
    const missing = blocks.filter((_, i) => early[i] === undefined);
    const packed = missing.length === 0 ? NOTHING : await this.pool.pack(missing);
    return inTheirPlaces(early, packed);
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    this.#waiting.clear();
    this.#blocks.clear();
    await this.pool.close();
  }

  #packNext(): void {
    for (const [key, { path, offset, length }] of this.#waiting) {
      if (this.#room < length || this.pool.isBusy) return;
      this.#waiting.delete(key);
      // Until it is known how small the block becomes.
      this.#room -= length;
      const data = { kind: 'file' as const, path };
      const pieces = [{ at: 0, length, data, offset, file: 0 }];
      const made = this.pool.pack([{ length, pieces, sparse: true, compress: true }]);
      this.#blocks.set(
        key,
        made.then(
          (packed) => {
            this.#room += length - packed.data.length;
            this.#packNext();
            return packed;
          },
          () => {
            this.#room += length;
            return undefined;
          },
        ),
      );
    }
  }

  #take({
    length,
    pieces,
    sparse,
    compress,
    copy,
  }: BlockRequest): Promise<PackedBlocks | undefined> | undefined {
    const [piece] = pieces;
    if (!sparse || !compress || copy !== undefined || piece?.data.kind !== 'file') return undefined;
    if (pieces.length > 1 || piece.length !== length) return undefined;
    const key = keyOf(piece.data.path, piece.offset, length);
    const early = this.#blocks.get(key);
    this.#blocks.delete(key);
    return early;
  }
}

const NOTHING: PackedBlocks = { words: [], data: new Uint8Array(0) };

/** `early`, with the blocks of `packed` one after the other where there is none. */
function inTheirPlaces(
  early: readonly (PackedBlocks | undefined)[],
  packed: PackedBlocks,
): PackedBlocks {
  const words: number[] = [];
  const parts: Uint8Array[] = [];
  let next = 0;
  let position = 0;
  for (const block of early) {
    if (block !== undefined) {
      words.push(...block.words);
      parts.push(block.data);
      continue;
    }
    const word = packed.words[next++] as number;
    words.push(word);
    parts.push(packed.data.subarray(position, position + storedSize(word)));
    position += storedSize(word);
  }
  return { words, data: parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts) };
}

function keyOf(path: string | Uint8Array, offset: number, length: number): string {
  return `${offset} ${length} ${path}`;
}
