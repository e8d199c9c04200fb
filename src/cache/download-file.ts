import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type FileRange, systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { PartialBlob } from '../registry/access.js';
import { type Claim, copyBytes, forget, giveBack, writeAt } from './claim.js';
import { entryMode, entryPath } from './directory.js';
import { uniquePart } from './owner.js';
import { stopWriting } from './partial-file.js';

/** The cache that a download belongs to. */
export interface DownloadTarget {
  /** The cache; undefined when blobs only last as long as the build. */
  root: string | undefined;
  /** A private directory for what the cache cannot take. */
  fallback: string;
  /** The cache cannot be written to. */
  onFallback(reason: string): void;
  /** Takes the file at `path` for the build, before it gets its final name; gives the path to read it by. */
  hold(path: string, digest: Digest): string | undefined;
  /** The blob lies in the fallback directory. */
  onSpooled(file: FileRange): void;
}

/** A partial file in the fallback directory. Throws E_OUTPUT. */
export async function claimFallback(directory: string, digest: Digest): Promise<Claim> {
  const path = join(directory, `${digest.replace(':', '-')}.${uniquePart()}`);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  try {
    return { path, handle: await open(path, flags, 0o600), size: 0 };
  } catch (cause) {
    throw writeFault(path, cause);
  }
}

/** A blob on its way into the cache; when the cache's disk is full or fails, it goes on in the fallback directory. */
export class DownloadFile implements PartialBlob {
  readonly #target: DownloadTarget;
  readonly #digest: Digest;
  #root: string | undefined;
  #path: string;
  #handle: FileHandle;
  #size: number;

  constructor(target: DownloadTarget, digest: Digest, claim: Claim, isInCache: boolean) {
    this.#target = target;
    this.#digest = digest;
    this.#root = isInCache ? target.root : undefined;
    this.#path = claim.path;
    this.#handle = claim.handle;
    this.#size = claim.size;
  }

  get path(): string {
    return this.#path;
  }

  get size(): number {
    return this.#size;
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.#try(() => writeAt(this.#handle, chunk, this.#size));
    this.#size += chunk.length;
  }

  async restart(): Promise<void> {
    const size = this.#size;
    this.#size = 0;
    if (size > 0) await this.#try(() => this.#handle.truncate(0));
  }

  async complete(): Promise<FileRange> {
    // Bytes beyond the end can be left by a writer that this file was taken over from.
    await this.#try(() => this.#handle.truncate(this.#size));
    const size = this.#size;
    try {
      if (this.#root !== undefined) return { path: await this.#publish(), offset: 0, size };
      await this.#handle.close();
    } catch (cause) {
      throw writeFault(this.#path, cause);
    }
    const file = { path: this.#path, offset: 0, size };
    this.#target.onSpooled(file);
    return file;
  }

  async keep(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    if (this.#root === undefined) return;
    await giveBack(this.#path, dirname(this.#path), this.#digest).catch(() => undefined);
    stopWriting(this.#path);
  }

  async discard(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
    await forget(this.#path).catch(() => undefined);
    stopWriting(this.#path);
  }

  /** Gives it its final name. Whatever lies there is replaced: a link, a damaged entry, or the same blob, which another build has completed. */
  async #publish(): Promise<string> {
    const entry = entryPath(this.#root as string, this.#digest);
    await this.#handle.chmod(await entryMode(entry));
    // Errors of a file system over the network may come only now.
    await this.#handle.close();
    const held = this.#target.hold(this.#path, this.#digest) ?? entry;
    const before = this.#path;
    try {
      await rename(before, entry);
    } catch (error) {
      // The build has its blob all the same; only the next one cannot use it.
      if (held === before || held === entry) throw error;
      await forget(before);
      return held;
    }
    stopWriting(before);
    return held === before ? entry : held;
  }

  /** Does something to the file; when the cache fails, once more in the fallback directory. Throws E_OUTPUT. */
  async #try(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (cause) {
      if (this.#root === undefined) throw writeFault(this.#path, cause);
      await this.#moveOut(cause);
      await this.#try(action);
    }
  }

  async #moveOut(cause: unknown): Promise<void> {
    const next = await claimFallback(this.#target.fallback, this.#digest);
    try {
      await copyBytes(this.#handle, next.handle, this.#size);
    } catch (error) {
      await next.handle.close();
      throw writeFault(next.path, error);
    }
    // A full disk is the better for every file that leaves it.
    await this.discard();
    this.#root = undefined;
    this.#path = next.path;
    this.#handle = next.handle;
    this.#target.onFallback(systemReason(cause));
  }
}

function writeFault(path: string, cause: unknown): RundleError {
  return new RundleError(
    'E_OUTPUT',
    `writing what is downloaded to ${path}: ${systemReason(cause)}`,
    {
      cause,
      hint: 'TMPDIR names the directory for temporary files, XDG_CACHE_HOME the one for the cache',
    },
  );
}
