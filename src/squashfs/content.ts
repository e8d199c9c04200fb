import type { ByteSource, Extent } from '../tree/node.js';
import type { Piece } from './job.js';

/**
 * The parts of `extents` between the positions `from` and `to` (bytes), moved by `shift`: a piece that was at p
 * is at p + shift. Memory is copied to the size of the piece, because a message to a worker carries the
 * whole buffer behind a view.
 */
export function piecesBetween(
  extents: readonly Extent[],
  from: number,
  to: number,
  shift: number,
  file: number,
): Piece[] {
  const pieces: Piece[] = [];
  for (let i = firstEndingAfter(extents, from); i < extents.length; i++) {
    const extent = extents[i] as Extent;
    const start = Math.max(extent.at, from);
    const end = Math.min(extent.at + extent.length, to);
    if (extent.at >= to) break;
    if (end <= start) continue;
    const offset = extent.offset + (start - extent.at);
    const length = end - start;
    pieces.push({ at: start + shift, length, file, ...sourceOf(extent.data, offset, length) });
  }
  return pieces;
}

/** Where a worker finds `length` bytes: it knows files, but not spools. */
function sourceOf(data: ByteSource, offset: number, length: number) {
  switch (data.kind) {
    case 'memory': {
      const bytes = data.bytes.slice(offset, offset + length);
      return { data: { kind: 'memory' as const, bytes }, offset: 0 };
    }
    case 'layer':
      return { data: { kind: 'file' as const, path: data.layer.path }, offset };
    default:
      return { data, offset };
  }
}

/** Index of the first extent that ends behind `position`; they are ascending. */
function firstEndingAfter(extents: readonly Extent[], position: number): number {
  let low = 0;
  let high = extents.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const extent = extents[middle] as Extent;
    if (extent.at + extent.length > position) high = middle;
    else low = middle + 1;
  }
  return low;
}
