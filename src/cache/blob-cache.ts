import { lstat, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileRange, systemReason } from '../blob/file-range.js';
import { isRundleError, reasonOf } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { BlobCache, PartialBlob } from '../registry/access.js';
import { type ClaimContext, claim } from './claim.js';
import { entryPath, openForWriting, PARTIAL } from './directory.js';
import { claimFallback, DownloadFile, type DownloadTarget } from './download-file.js';
import { findEntry, Holds, removeAbandonedHolds, touch } from './entry.js';

/** Which caches a build uses. */
export interface CacheSettings {
  /** The user's own; undefined when none is to be used. */
  directory: string | undefined;
  /** Others, in OCI layout, that are only read. */
  readOnly: readonly string[];
  /** A private directory for what cannot be cached. It lasts as long as the build. */
  fallback: string;
  /** Gets a line for the user. */
  remark(text: string): void;
  /** Another value for how long another build is waited for that makes no progress, in milliseconds. */
  stall?: number;
}

/**
 * Runs `use` with a cache and lets go of what it held there afterwards, also when the process ends by `process.exit` in between. A cache that cannot
 * be written to is no error: a line says so, it is still read, and downloads go to the fallback directory. Throws what `use` throws.
 */
export async function withBlobCache<T>(
  settings: CacheSettings,
  use: (cache: BlobCache) => Promise<T>,
): Promise<T> {
  const cache = await LayeredCache.open(settings);
  const close = () => cache.close();
  process.once('exit', close);
  try {
    return await use(cache);
  } finally {
    process.off('exit', close);
    close();
  }
}

/** The user's own cache, in front of the ones that are only read, with the fallback directory behind. */
class LayeredCache implements BlobCache {
  readonly #settings: CacheSettings;
  readonly #readOnly: string[];
  readonly #holds: Holds | undefined;
  readonly #spooled = new Map<Digest, FileRange>();
  /** Cache and digest of entries that turned out to be damaged. */
  readonly #rejected = new Set<string>();
  /** The cache that `find` took a blob from. */
  readonly #foundIn = new Map<Digest, string>();
  readonly #root: string | undefined;
  /** False when the cache could not take something: it will not take the next thing either. */
  #takes: boolean;

  private constructor(settings: CacheSettings, root: string | undefined, readOnly: string[]) {
    this.#settings = settings;
    this.#root = root;
    this.#takes = root !== undefined;
    this.#readOnly = readOnly;
    this.#holds = root === undefined ? undefined : new Holds(root);
  }

  static async open(settings: CacheSettings): Promise<LayeredCache> {
    const { directory, remark } = settings;
    const readOnly: string[] = [];
    for (const path of settings.readOnly) {
      try {
        readOnly.push(await realpath(path));
      } catch (error) {
        remark(`the cache ${path} cannot be read: ${systemReason(error)}`);
      }
    }
    if (directory === undefined) return new LayeredCache(settings, undefined, readOnly);
    try {
      const root = await openForWriting(directory);
      removeAbandonedHolds(root);
      return new LayeredCache(settings, root, readOnly);
    } catch (error) {
      remark(`downloads are not cached: ${directory}: ${reasonOf(error)}`);
      return new LayeredCache(settings, undefined, [directory, ...readOnly]);
    }
  }

  async find(digest: Digest, size: number | undefined): Promise<FileRange | undefined> {
    const spooled = this.#spooled.get(digest);
    if (spooled !== undefined && (size === undefined || size === spooled.size)) return spooled;
    return (await this.#findOwn(digest, size)) ?? (await this.#findElsewhere(digest, size));
  }

  async begin(
    digest: Digest,
    size: number | undefined,
    signal?: AbortSignal,
  ): Promise<PartialBlob | FileRange> {
    const target = this.#target(digest);
    if (this.#root !== undefined && this.#takes) {
      const directory = join(this.#root, PARTIAL);
      let found: FileRange | undefined;
      try {
        const context: ClaimContext = {
          isComplete: async () => {
            found = await this.#findOwn(digest, size);
            return found !== undefined;
          },
          onWait: () => this.#settings.remark(`waiting for another build that downloads ${digest}`),
          signal,
          ...(this.#settings.stall !== undefined && { stall: this.#settings.stall }),
        };
        const claimed = await claim(directory, digest, context);
        if (claimed !== undefined) return new DownloadFile(target, digest, claimed, true);
        if (found !== undefined) return found;
      } catch (error) {
        signal?.throwIfAborted();
        this.#fallBack(isRundleError(error) ? error.message : systemReason(error));
      }
    }
    const claimed = await claimFallback(this.#settings.fallback, digest);
    return new DownloadFile(target, digest, claimed, false);
  }

  async reject(digest: Digest): Promise<void> {
    this.#spooled.delete(digest);
    const from = this.#foundIn.get(digest);
    this.#foundIn.delete(digest);
    if (from === undefined) return;
    if (from !== this.#root) {
      this.#rejected.add(`${from} ${digest}`);
      this.#settings.remark(`${entryPath(from, digest)} is damaged and not used`);
      return;
    }
    const path = entryPath(from, digest);
    const held = this.#holds?.inodeOf(digest);
    const inode = await lstat(path).then(
      ({ ino }) => ino,
      () => undefined,
    );
    // Another build may have put a sound one there meanwhile.
    if (held === undefined || held === inode)
      await rm(path, { force: true }).catch(() => undefined);
    // Where it cannot be removed it is passed over at least.
    if ((await findEntry(from, digest, undefined))?.inode === inode) {
      this.#rejected.add(`${from} ${digest}`);
    }
  }

  close(): void {
    this.#holds?.close();
  }

  async #findOwn(digest: Digest, size: number | undefined): Promise<FileRange | undefined> {
    const root = this.#root;
    if (root === undefined || this.#rejected.has(`${root} ${digest}`)) return undefined;
    const entry = await findEntry(root, digest, size);
    if (entry === undefined) return undefined;
    const path = this.#holds?.hold(entry.path, digest);
    if (path === undefined) return undefined;
    await touch(path);
    this.#foundIn.set(digest, root);
    return { path, offset: 0, size: entry.size };
  }

  async #findElsewhere(digest: Digest, size: number | undefined): Promise<FileRange | undefined> {
    for (const root of this.#readOnly) {
      if (this.#rejected.has(`${root} ${digest}`)) continue;
      const entry = await findEntry(root, digest, size);
      if (entry === undefined) continue;
      this.#foundIn.set(digest, root);
      return { path: entry.path, offset: 0, size: entry.size, mayChange: true };
    }
    return undefined;
  }

  #target(digest: Digest): DownloadTarget {
    return {
      root: this.#root,
      fallback: this.#settings.fallback,
      onFallback: (reason) => this.#fallBack(reason),
      hold: (path) => {
        this.#foundIn.set(digest, this.#root ?? '');
        this.#rejected.delete(`${this.#root} ${digest}`);
        return this.#holds?.hold(path, digest);
      },
      onSpooled: (file) => this.#spooled.set(digest, file),
    };
  }

  /** From here on downloads go to the fallback directory; the user is told once. */
  #fallBack(reason: string): void {
    const { directory, remark } = this.#settings;
    if (this.#takes) {
      remark(
        `downloads go to a temporary directory, because ${directory} cannot take them: ${reason}`,
      );
    }
    this.#takes = false;
  }
}
