import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CacheSettings, withBlobCache } from '#rundle/cache/blob-cache.js';
import type { Digest } from '#rundle/oci/digest.js';
import type { BlobCache, PartialBlob } from '#rundle/registry/access.js';

/** A directory for a test with room for caches, and the lines that were said. */
export interface Place {
  path(...names: string[]): string;
  remarks: string[];
  settings: CacheSettings;
  /** Opens the cache, uses and closes it. */
  use<T>(action: (cache: BlobCache) => Promise<T>, settings?: Partial<CacheSettings>): Promise<T>;
  remove(): void;
}

export function makePlace(): Place {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
  const path = (...names: string[]) => join(directory, ...names);
  const remarks: string[] = [];
  mkdirSync(path('fallback'));
  const settings: CacheSettings = {
    directory: path('rundle'),
    readOnly: [],
    fallback: path('fallback'),
    remark: (text) => remarks.push(text),
  };
  return {
    path,
    remarks,
    settings,
    use: (action, changed) => withBlobCache({ ...settings, ...changed }, action),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** A blob of random bytes. */
export function makeBlob(size: number): { bytes: Buffer; digest: Digest; hex: string } {
  const bytes = randomBytes(size);
  const hex = createHash('sha256').update(bytes).digest('hex');
  return { bytes, digest: `sha256:${hex}` as Digest, hex };
}

/** Begins a download that must not be complete yet. */
export async function beginPartial(
  cache: BlobCache,
  digest: Digest,
  size?: number,
): Promise<PartialBlob> {
  const begun = await cache.begin(digest, size);
  if ('offset' in begun) throw new Error('somebody has completed it');
  return begun;
}

/** How much of a blob an earlier download has left. */
export async function sizeLeft(cache: BlobCache, digest: Digest): Promise<number> {
  const partial = await beginPartial(cache, digest);
  await partial.keep();
  return partial.size;
}

/** Puts a blob into the cache. */
export async function put(
  cache: BlobCache,
  { bytes, digest }: { bytes: Buffer; digest: Digest },
): Promise<string> {
  const partial = await beginPartial(cache, digest, bytes.length);
  await partial.write(bytes);
  return (await partial.complete()).path;
}

/** All files below a directory, as paths relative to it. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}
