import { linkSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { lstat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../oci/digest.js';
import { entryPath, IN_USE } from './directory.js';
import { isOwner, lifeOf, thisProcess, uniquePart } from './owner.js';

/** What a build on another machine uses is given up after so long. Milliseconds. */
const LONGEST_BUILD = 7 * 24 * 60 * 60 * 1000;

/** A complete blob in a cache, not verified. */
export interface Entry {
  path: string;
  size: number;
  inode: number;
}

/** The entry of `digest` below `root`; undefined when there is none, when it is anything but a regular file, or has not `size` bytes. */
export async function findEntry(
  root: string,
  digest: Digest,
  size: number | undefined,
): Promise<Entry | undefined> {
  const path = entryPath(root, digest);
  const status = await lstat(path).catch(() => undefined);
  if (status?.isFile() !== true) return undefined;
  if (size !== undefined && size !== status.size) return undefined;
  return { path, size: status.size, inode: status.ino };
}

/** Notes that an entry is used now. Its time of last access would not tell: most file systems are mounted so that it stays. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}

/**
 * The entries that this process uses, each held by a second name in a directory of its own below the cache: an entry that is pruned
 * or replaced meanwhile keeps its bytes until the build is done.
 */
export class Holds {
  readonly #root: string;
  readonly #held = new Map<Digest, { path: string; inode: number }>();
  #directory: string | undefined;
  #count = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /** Another name for the file at `path`; `path` itself where the file system has no hard links. Undefined when the file is gone. */
  hold(path: string, digest: Digest): string | undefined {
    const inode = lstatSync(path, { throwIfNoEntry: false })?.ino;
    if (inode === undefined) return undefined;
    const before = this.#held.get(digest);
    if (before?.inode === inode) return before.path;
    const directory = this.#directory ?? this.#make();
    if (directory === undefined) return path;
    // A name is not used twice: somebody may still be reading by it.
    const name = join(directory, `${digest.replace(':', '-')}.${this.#count++}`);
    try {
      linkSync(path, name);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : path;
    }
    this.#held.set(digest, { path: name, inode });
    return name;
  }

  /** The inode that is held for `digest`. */
  inodeOf(digest: Digest): number | undefined {
    return this.#held.get(digest)?.inode;
  }

  /** Lets go of everything. Never throws. */
  close(): void {
    if (this.#directory !== undefined) removeQuietly(this.#directory);
    this.#directory = undefined;
    this.#held.clear();
  }

  #make(): string | undefined {
    const directory = join(this.#root, IN_USE, `${thisProcess()}.${uniquePart()}`);
    try {
      mkdirSync(directory, 0o700);
      this.#directory = directory;
    } catch {
      return undefined;
    }
    return directory;
  }
}

/** Removes what builds that were killed have held. Never throws. */
export function removeAbandonedHolds(root: string): void {
  const parent = join(root, IN_USE);
  for (const name of namesIn(parent)) {
    const owner = name.split('.')[0] ?? '';
    if (!isOwner(owner)) continue;
    const life = lifeOf(owner);
    const path = join(parent, name);
    const changed = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    const isOver = life === 'unknown' && Date.now() - changed > LONGEST_BUILD;
    if (life === 'gone' || isOver) removeQuietly(path);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The next build, or a prune, tries it again.
  }
}
