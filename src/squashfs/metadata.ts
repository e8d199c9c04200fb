import { METADATA_SIZE } from './format.js';
import { type PackedBlocks, STORED_RAW, storedSize } from './job.js';
import type { PayloadOutput } from './output.js';
import type { WorkerPool } from './pool.js';

/** Set in the 16-bit header of a metadata block that is stored uncompressed. */
const METADATA_RAW = 0x8000;

/** Collects a table's bytes into metadata blocks, compressed as soon as they are full. */
export class MetadataWriter {
  readonly #pool: WorkerPool;
  readonly #blocks: Buffer[] = [];
  readonly #pending = Buffer.alloc(METADATA_SIZE);
  #used = 0;
  #size = 0;

  constructor(pool: WorkerPool) {
    this.#pool = pool;
  }

  /** Where the current block will begin, in stored bytes from the start of the table. */
  get block(): number {
    return this.#size;
  }

  /** Position in the current block, 0 to 8191. */
  get offset(): number {
    return this.#used;
  }

  /** The current position as inodes and tables refer to it: block in the high bits, offset in the low 16. */
  get reference(): number {
    return this.#size * 0x1_0000 + this.#used;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const part = bytes.subarray(done, done + METADATA_SIZE - this.#used);
      this.#pending.set(part, this.#used);
      this.#used += part.length;
      done += part.length;
      if (this.#used === METADATA_SIZE) await this.#flush();
    }
  }

  /** Ends the table and appends it to `output`. Gives where it begins, in bytes from the payload's start. */
  async finish(output: PayloadOutput): Promise<number> {
    if (this.#used > 0) await this.#flush();
    const start = output.position;
    await output.append(Buffer.concat(this.#blocks));
    return start;
  }

  async #flush(): Promise<void> {
    const block = metadataBlock(await packBytes(this.#pool, this.#pending.subarray(0, this.#used)));
    this.#blocks.push(block);
    this.#size += block.length;
    this.#used = 0;
  }
}

/** An uncompressed metadata block: header and bytes. */
export function rawMetadataBlock(bytes: Uint8Array): Buffer {
  return metadataBlock({ words: [bytes.length | STORED_RAW], data: bytes });
}

/** Stores a lookup table: metadata blocks of `entries`, and gives the list of where each one begins, 8 bytes each. */
export async function writeLookupBlocks(
  pool: WorkerPool,
  output: PayloadOutput,
  entries: Buffer,
): Promise<Buffer> {
  const starts = Buffer.alloc(8 * Math.ceil(entries.length / METADATA_SIZE));
  for (let at = 0, i = 0; at < entries.length; at += METADATA_SIZE, i++) {
    const block = await packBytes(pool, entries.subarray(at, at + METADATA_SIZE));
    starts.writeBigUInt64LE(BigInt(output.position), 8 * i);
    await output.append(metadataBlock(block));
  }
  return starts;
}

/** Stores a lookup table with its list of blocks, and gives where the list begins: what the superblock points to. */
export async function writeLookupTable(
  pool: WorkerPool,
  output: PayloadOutput,
  entries: Buffer,
): Promise<number> {
  const starts = await writeLookupBlocks(pool, output, entries);
  const start = output.position;
  await output.append(starts);
  return start;
}

function packBytes(pool: WorkerPool, bytes: Buffer): Promise<PackedBlocks> {
  const { length } = bytes;
  const data = { kind: 'memory' as const, bytes: Uint8Array.from(bytes) };
  const pieces = [{ at: 0, length, data, offset: 0, file: -1 }];
  return pool.pack([{ length, pieces, sparse: false, compress: true }]);
}

function metadataBlock({ words, data }: PackedBlocks): Buffer {
  const word = words[0] as number;
  const block = Buffer.alloc(2 + data.length);
  block.writeUInt16LE(storedSize(word) | (word & STORED_RAW ? METADATA_RAW : 0));
  block.set(data, 2);
  return block;
}
