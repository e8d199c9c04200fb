import type { Decode } from '../decoder/decode.js';
import { RundleError, reasonOf } from '../errors.js';
import type { StoredBlock } from './node.js';

/**
 * The bytes that `block` decodes to; `stored` are those at its place in the image's file. Throws E_FORMAT when they are
 * damaged or of another length than the image says, E_UNSUPPORTED when they cannot be decoded here.
 */
export function decodeBlock(block: StoredBlock, stored: Uint8Array, decode: Decode): Uint8Array {
  const { image, position, size, raw } = block;
  const where = `the block at byte ${position} of ${image.path}`;
  let content: Uint8Array;
  try {
    content = raw ? stored : decode(stored, size ?? image.blockSize);
  } catch (cause) {
    const code = cause instanceof RundleError ? cause.code : 'E_FORMAT';
    throw new RundleError(code, `${where}: ${reasonOf(cause)}`, { cause });
  }
  if (size === undefined || content.length === size) return content;
  throw new RundleError(
    'E_FORMAT',
    `${where}: it has ${content.length} bytes, where the image says ${size}`,
  );
}

/** Decoded blocks that were used last: the files of a fragment block are read one after the other. */
export class DecodedBlocks {
  readonly #limit: number;
  readonly #blocks = new Map<string, Uint8Array>();
  #bytes = 0;

  /** Keeps at most `limit` bytes, and always the last block. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get(block: StoredBlock): Uint8Array | undefined {
    const key = keyOf(block);
    const content = this.#blocks.get(key);
    if (content === undefined) return undefined;
    this.#blocks.delete(key);
    this.#blocks.set(key, content);
    return content;
  }

  add(block: StoredBlock, content: Uint8Array): void {
    this.#blocks.set(keyOf(block), content);
    this.#bytes += content.length;
    for (const [key, oldest] of this.#blocks) {
      if (this.#bytes <= this.#limit || oldest === content) return;
      this.#blocks.delete(key);
      this.#bytes -= oldest.length;
    }
  }
}

function keyOf({ image, position }: StoredBlock): string {
  return `${position} ${image.path}`;
}
