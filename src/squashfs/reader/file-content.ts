import { zstdContentSize } from '../../decoder/zstd.js';
import { RundleError } from '../../errors.js';
import type { BlockImage, Extent, StoredBlock } from '../../tree/node.js';
import { NONE } from '../format.js';
import { STORED_RAW, storedSize } from '../job.js';
import { SUPERBLOCK_SIZE } from '../superblock.js';
import type { Budget } from './budget.js';
import type { RawFile } from './inode.js';
import { type Cursor, lookupEntry, type Metadata } from './metadata.js';
import type { ImageSuperblock } from './superblock.js';

/** Memory that one block of a file takes, roughly, in bytes. */
const BLOCK_COST = 200;
/** A zstd frame tells its size within its first bytes (RFC 8878, 3.1.1.1). */
const ZSTD_HEADER = 18;

/** Says where the contents of an image's files are. */
export class FileContents {
  readonly #metadata: Metadata;
  readonly #superblock: ImageSuperblock;
  readonly #image: BlockImage;
  readonly #budget: Budget;
  readonly #fragments = new Map<number, StoredBlock>();

  constructor(metadata: Metadata, superblock: ImageSuperblock, image: BlockImage, budget: Budget) {
    this.#metadata = metadata;
    this.#superblock = superblock;
    this.#image = image;
    this.#budget = budget;
  }

  /** The extents of a file whose block list is at the cursor. Throws E_FORMAT, E_UNSUPPORTED. */
  extents(file: RawFile, cursor: Cursor): Extent[] {
    const { blockSize } = this.#superblock;
    const { size, fragment } = file;
    const tail = fragment === NONE ? 0 : size % blockSize;
    const end = size - tail;
    const extents: Extent[] = [];
    let position = file.start;
    for (let at = 0; at < end; at += blockSize) {
      // A list of zeros may be any length: a hole costs something, too.
      this.#budget.spend(BLOCK_COST);
      const word = cursor.bytes(4).readUInt32LE();
      const length = Math.min(blockSize, end - at);
      if (word === 0) continue;
      const data = this.#block(position, word, length);
      extents.push({ at, length, data, offset: 0 });
      position += data.stored;
    }
    if (tail === 0) return extents;
    const data = this.#fragment(fragment);
    const offset = file.fragmentOffset;
    if (offset + tail > (data.size ?? blockSize)) {
      throw damaged(`its end would be at byte ${offset} of a fragment block, with ${tail} bytes`);
    }
    this.#budget.spend(BLOCK_COST);
    extents.push({ at: end, length: tail, data, offset });
    return extents;
  }

  /** `size`: bytes that the block decodes to, where they are known. */
  #block(position: number, word: number, size: number | undefined): StoredBlock {
    const { bytesUsed, blockSize } = this.#superblock;
    const stored = storedSize(word);
    const raw = (word & STORED_RAW) !== 0;
    // The size of a fragment block stands nowhere in the image.
    const shared = size === undefined;
    if (stored > blockSize || word >>> 25 !== 0 || stored === 0) {
      throw damaged(`a block of it has the size word 0x${word.toString(16)}`);
    }
    if (position < SUPERBLOCK_SIZE || position + stored > bytesUsed) {
      throw damaged(`a block of ${stored} bytes would be at byte ${position} of ${bytesUsed}`);
    }
    if (raw && size !== undefined && stored !== size) {
      throw damaged(`a block of it is stored as ${stored} bytes and has ${size}`);
    }
    const place = this.#metadata.file.offset + position;
    return { kind: 'block', image: this.#image, position: place, stored, raw, shared, size };
  }

  #fragment(number: number): StoredBlock {
    const known = this.#fragments.get(number);
    if (known !== undefined) return known;
    const { fragments, fragmentTable } = this.#superblock;
    if (fragmentTable === undefined || number >= fragments) {
      throw damaged(`its end is in fragment block ${number}, of which the image has ${fragments}`);
    }
    const entry = lookupEntry(this.#metadata, fragmentTable, number, 16);
    const position = Number(entry.readBigUInt64LE(0));
    const word = entry.readUInt32LE(8);
    const block = this.#block(position, word, undefined);
    this.#budget.spend(BLOCK_COST);
    block.size = block.raw ? block.stored : this.#statedSize(position, block.stored);
    this.#fragments.set(number, block);
    return block;
  }

  /** What a compressed fragment block says of its size: only zstd does. */
  #statedSize(position: number, stored: number): number | undefined {
    const { compressor, blockSize } = this.#superblock;
    if (compressor !== 'zstd') return undefined;
    const head = this.#metadata.file.read(
      position,
      Math.min(stored, ZSTD_HEADER),
      'a fragment block',
    );
    const size = zstdContentSize(head);
    if (size === undefined || size <= blockSize) return size;
    throw damaged(`a fragment block has ${size} bytes, where a block has ${blockSize} at most`);
  }
}

function damaged(what: string): RundleError {
  return new RundleError('E_FORMAT', what);
}
