import type { BlockImage, Extent, StoredBlock } from '../tree/node.js';
import type { Content } from './job.js';
import type { PackingItem } from './packing-item.js';

/** Whether blocks of an image can stand in the output as they are. */
function fitsOutput(image: BlockImage, blockSize: number): boolean {
  return image.compressor === 'zstd' && image.blockSize === blockSize;
}

/**
 * The block of an image that holds exactly `content`, compressed if that is what is wanted; undefined when there is
 * none. What an image stored uncompressed is tried again.
 */
export function blockToCopy(content: Content, compress: boolean): StoredBlock | undefined {
  const [piece, ...others] = content.pieces;
  if (piece?.data.kind !== 'block' || others.length > 0) return undefined;
  const { data, at, offset, length } = piece;
  const whole = at === 0 && offset === 0 && length === content.length && length === data.size;
  if (!whole || data.raw === compress) return undefined;
  return data.raw || data.image.compressor === 'zstd' ? data : undefined;
}

/**
 * The fragment blocks that can be copied, for each file whose end lies in one: those of which every byte belongs to a file of `items`.
 * Of the others what is still needed is packed anew, so that nothing stays in a payload which its tree does not have.
 */
export function fragmentsToCopy(
  items: readonly PackingItem[],
  blockSize: number,
): Map<PackingItem, StoredBlock> {
  const users = new Map<StoredBlock, PackingItem[]>();
  for (const item of items) {
    const block = item.raw ? undefined : fragmentOf(item, blockSize);
    if (block === undefined) continue;
    const others = users.get(block);
    if (others === undefined) users.set(block, [item]);
    else others.push(item);
  }
  const found = new Map<PackingItem, StoredBlock>();
  for (const [block, sharing] of users) {
    if (!isCovered(block, sharing.map(endOf))) continue;
    for (const item of sharing) found.set(item, block);
  }
  return found;
}

/** The last extent of a file, which `fragmentOf` has found. */
function endOf({ file }: PackingItem): Extent {
  return file.node.extents.at(-1) as Extent;
}

/** The block that holds the end of a file and may hold others, when it is one that can stand in the output. */
function fragmentOf({ file }: PackingItem, blockSize: number): StoredBlock | undefined {
  const { size, extents } = file.node;
  const end = extents.at(-1);
  if (end?.data.kind !== 'block' || !fitsOutput(end.data.image, blockSize)) return undefined;
  const { data, at, length } = end;
  const isTail = at % blockSize === 0 && at + length === size && length < blockSize;
  // Only a maker that is known has tried to compress what is stored as it is.
  const wanted = !data.raw || data.image.verified;
  return isTail && wanted && data.shared ? data : undefined;
}

function isCovered(block: StoredBlock, parts: readonly Extent[]): boolean {
  let reached = 0;
  for (const { offset, length } of [...parts].sort((a, b) => a.offset - b.offset)) {
    if (offset > reached) return false;
    reached = Math.max(reached, offset + length);
  }
  return reached === block.size;
}
