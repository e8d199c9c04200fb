import type { StoredBlock } from '../tree/node.js';
import { piecesBetween } from './content.js';
import type { Piece } from './job.js';
import type { FileLayout } from './layout.js';
import type { PackingItem, PlannedBlock } from './packing-item.js';

/** Fills fragment blocks, and keeps those of images that can be copied; numbers them in the order in which they come. */
export class FragmentPlan {
  readonly #blockSize: number;
  #count: number;
  #filling: { layouts: FileLayout[]; pieces: Piece[]; length: number } | undefined;
  /** Numbers of the copied blocks that have come. */
  readonly #numbers = new Map<StoredBlock, number>();

  /** `first`: the number of the first block. */
  constructor(blockSize: number, first: number) {
    this.#blockSize = blockSize;
    this.#count = first;
  }

  /** Puts a file, which is smaller than a block, behind the one before, and gives the block that is full by that. */
  *add({ file, layout, number }: PackingItem): Generator<PlannedBlock> {
    const { size, extents } = file.node;
    if (this.#filling !== undefined && this.#filling.length + size > this.#blockSize) {
      yield* this.#endFilling();
    }
    this.#filling ??= { layouts: [], pieces: [], length: 0 };
    const { layouts, pieces, length } = this.#filling;
    layouts.push(layout);
    layout.fragmentOffset = length;
    for (const piece of piecesBetween(extents, 0, size, length, number)) pieces.push(piece);
    this.#filling.length += size;
  }

  /** Lets the end of a file be where it is in a block that is copied, and gives that block for the first of its files. */
  *keep({ file, layout, number }: PackingItem, block: StoredBlock): Generator<PlannedBlock> {
    layout.fragmentOffset = file.node.extents.at(-1)?.offset ?? 0;
    const known = this.#numbers.get(block);
    if (known !== undefined) {
      layout.fragment = known;
      return;
    }
    this.#numbers.set(block, this.#number([layout]));
    const length = block.size ?? 0;
    const pieces = [{ at: 0, length, data: block, offset: 0, file: number }];
    const request = { length, pieces, sparse: false, compress: true, copy: block };
    yield { request, layout: undefined };
  }

  /** The block that is still open. */
  *end(): Generator<PlannedBlock> {
    yield* this.#endFilling();
  }

  *#endFilling(): Generator<PlannedBlock> {
    if (this.#filling === undefined) return;
    const { layouts, pieces, length } = this.#filling;
    this.#filling = undefined;
    this.#number(layouts);
    const request = { length, pieces, sparse: false, compress: true };
    yield { request, layout: undefined };
  }

  #number(layouts: readonly FileLayout[]): number {
    for (const layout of layouts) layout.fragment = this.#count;
    this.#count += 1;
    return this.#count - 1;
  }
}
