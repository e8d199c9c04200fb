import type { TarEntry } from '#rundle/layer/tar-entry.js';
import { TarReader } from '#rundle/layer/tar-reader.js';
import { type EntryFields, tarArchive } from './tar-builder.js';

/** Entries of `archive`, pushed in pieces of `step` bytes. */
export function read(archive: Buffer, step = 65_536, origin = 0): TarEntry[] {
  const entries: TarEntry[] = [];
  const reader = new TarReader('reading x', origin, (entry) => entries.push(entry));
  for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
  reader.end();
  return entries;
}

export function readOne(...parts: (EntryFields | Buffer)[]): TarEntry {
  const [entry, ...more] = read(tarArchive(parts));
  if (entry === undefined || more.length > 0) throw new Error('not one entry');
  return entry;
}

export function content(archive: Buffer, entry: TarEntry): Buffer {
  const bytes = Buffer.alloc(entry.size);
  for (const { at, length, offset } of entry.data) {
    bytes.set(archive.subarray(offset, offset + length), at);
  }
  return bytes;
}
