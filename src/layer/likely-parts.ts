import { type ByteRange, mergeRanges } from '../tree/layer-contents.js';
import type { TarEntry } from './tar-entry.js';

/** Memory for them, in bytes: more than the libraries of a small system take. */
const LIMIT = 32 * 1024 * 1024;
/** A larger library is hardly one of those that many programs need. */
const MAX_LIBRARY = 4 * 1024 * 1024;

/** Shared libraries where a loader looks: `lib`, `usr/lib64`, `usr/lib/x86_64-linux-gnu`. */
const LIBRARY = /^(\.?\/)?(usr\/(local\/)?)?lib(32|64)?\/([^/]*-linux-[^/]*\/)?[^/]*\.so[.0-9]*$/;

/**
 * Parts of a layer that it is sensible to get together with any that are wanted: libraries, because the next question of who looks for what a
 * program needs is about those.
 */
export function likelyRanges(entries: readonly TarEntry[]): ByteRange[] {
  let room = LIMIT;
  const ranges: ByteRange[] = [];
  for (const { kind, name, size, data } of entries) {
    if (kind !== 'file' || size > MAX_LIBRARY || size > room || !LIBRARY.test(name)) continue;
    room -= size;
    for (const { offset, length } of data) ranges.push({ from: offset, to: offset + length });
  }
  return mergeRanges(ranges);
}
