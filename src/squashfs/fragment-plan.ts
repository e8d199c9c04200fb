import type { StoredBlock } from '../tree/node.js';
import { piecesBetween } from './content.js';
import type { Piece } from './job.js';
import type { FileLayout } from './layout.js';
import type { PackingItem, PlannedBlock } from './packing-item.js';
import { endOf } from './reuse.js';

/** Fills fragment blocks, and keeps those of images that can be copied; numbers them in the order in which they come. */
export class FragmentPlan {
  readonly #blockSize: number;
  #count = 0;
  #filling: { layouts: FileLayout[]; pieces: Piece[]; length: number } | undefined;
  /** The copied block that files were put in last: it comes when the next one begins, as one that is filled does. */
  #kept: { block: StoredBlock; layouts: FileLayout[]; file: number } | undefined;
  /** Numbers of the copied blocks that have come. */
  readonly #numbers = new Map<StoredBlock, number>();

  constructor(blockSize: number) {
    this.#blockSize = blockSize;
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

  /** Lets the end of a file be where it is in a block that is copied. */
  *keep(item: PackingItem, block: StoredBlock): Generator<PlannedBlock> {
    const { layout } = item;
    layout.fragmentOffset = endOf(item).offset;
    const number = this.#numbers.get(block);
    if (number !== undefined) {
      layout.fragment = number;
      return;
    }
    if (this.#kept?.block !== block) {
      yield* this.#endKept();
      this.#kept = { block, layouts: [], file: item.number };
    }
    this.#kept?.layouts.push(layout);
  }

  /** The blocks that are still open. */
  *end(): Generator<PlannedBlock> {
    yield* this.#endKept();
    yield* this.#endFilling();
  }

  *#endFilling(): Generator<PlannedBlock> {
    if (this.#filling === undefined) return;
    const { layouts, pieces, length } = this.#filling;
    this.#filling = undefined;
    this.#number(layouts);
    yield { request: { length, pieces, sparse: false, compress: true }, layout: undefined };
  }

  *#endKept(): Generator<PlannedBlock> {
    if (this.#kept === undefined) return;
    const { block, layouts, file } = this.#kept;
    this.#kept = undefined;
    this.#numbers.set(block, this.#number(layouts));
    const length = block.size ?? 0;
    const pieces = [{ at: 0, length, data: block, offset: 0, file }];
    const request = { length, pieces, sparse: false, compress: true, copy: block };
    yield { request, layout: undefined };
  }

  #number(layouts: readonly FileLayout[]): number {
    for (const layout of layouts) layout.fragment = this.#count;
    this.#count += 1;
    return this.#count - 1;
  }
}
