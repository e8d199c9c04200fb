import { createHash } from 'node:crypto';
import { piecesBetween } from './content.js';
import type { ContentReader } from './content-reader.js';
import type { Content } from './job.js';

/** Contents are looked at in units of this size, in bytes. */
export const DIGEST_UNIT = 64 * 1024;

const zeros = Buffer.alloc(DIGEST_UNIT);
const scratch = Buffer.allocUnsafe(DIGEST_UNIT);

/**
 * SHA-256 over the units of `content` that are not all zeros, each after its number: equal for equal contents of
 * the same length, whether zeros are written out or are holes, and quick for large holes.
 */
export function digestContent(reader: ContentReader, content: Content): string {
  const hash = createHash('sha256');
  const position = Buffer.alloc(8);
  let next = 0;
  for (const piece of content.pieces) {
    const end = piece.at + piece.length;
    // Units that a piece shares with the one before are done already.
    let at = Math.max(next, piece.at - (piece.at % DIGEST_UNIT));
    for (; at < end; at += DIGEST_UNIT) {
      const length = Math.min(DIGEST_UNIT, content.length - at);
      const pieces = piecesBetween(content.pieces, at, at + length, -at, piece.file);
      const unit = reader.read({ length, pieces }, scratch);
      if (unit.equals(zeros.subarray(0, length))) continue;
      position.writeBigUInt64LE(BigInt(at));
      hash.update(position).update(unit);
    }
    next = Math.max(next, at);
  }
  return hash.digest('binary');
}
