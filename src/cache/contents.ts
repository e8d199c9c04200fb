import { lstatSync, readdirSync } from 'node:fs';
import { realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemReason } from '../blob/file-range.js';
import { RundleError, reasonOf } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';
import { assertOwn, entryPath, PARTIAL } from './directory.js';
import { removeAbandonedHolds } from './entry.js';
import { listPartials } from './partial-file.js';

/** One file of a cache. Sizes in bytes, times in milliseconds since 1970. */
export interface CachedFile {
  digest: Digest;
  path: string;
  size: number;
  /** When a build used it last; for a partial file, when it last grew. */
  used: number;
}

/** What a cache holds, the one that was used last first. */
export interface CacheContents {
  entries: CachedFile[];
  partials: (CachedFile & { isWritten: boolean })[];
}

/** What `prune` removes. Rules add up; without any nothing goes. */
export interface PruneRules {
  /** Everything that was not used for so long, in milliseconds. */
  olderThan?: number | undefined;
  /** What was not used for the longest time, until the rest has at most so many bytes. */
  maxSize?: number | undefined;
  /** Everything. */
  all?: boolean | undefined;
}

/**
 * The contents of the cache at `root`; nothing when there is no such directory. Files whose names are not a cache's are passed over.
 * Throws E_SOURCE when it cannot be read.
 */
export function cacheContents(root: string): CacheContents {
  const entries = (['sha256', 'sha512'] as const).flatMap((algorithm) =>
    orNothing(join(root, 'blobs', algorithm), (directory) =>
      readdirSync(directory).flatMap((hex) => entryOf(root, `${algorithm}:${hex}`)),
    ),
  );
  const partials = orNothing(join(root, PARTIAL), (directory) => listPartials(directory)).map(
    ({ digest, path, size, written, state }) => ({
      digest,
      path,
      size,
      used: written,
      isWritten: state === 'written',
    }),
  );
  const lastFirst = (a: CachedFile, b: CachedFile) =>
    b.used - a.used || (a.digest < b.digest ? -1 : 1);
  return { entries: entries.sort(lastFirst), partials: partials.sort(lastFirst) };
}

/**
 * Removes files by `rules` and gives those that are gone. Safe beside builds: what one uses keeps its bytes until it is done, because it holds them by another name, and what is
 * being written is left alone. Throws E_SOURCE when the cache cannot be read, E_OUTPUT when it is not this user's own, or a
 * file cannot be removed.
 */
export async function prune(
  root: string,
  rules: PruneRules,
  now: number = Date.now(),
): Promise<CachedFile[]> {
  const { entries, partials } = cacheContents(root);
  const files = [...entries, ...partials.filter(({ isWritten }) => !isWritten)];
  if (files.length > 0) await assertMayPrune(root);
  removeAbandonedHolds(root);
  const victims = chosen(files, rules, now);
  const removed: CachedFile[] = [];
  for (const file of victims) {
    const used = lstatSync(file.path, { throwIfNoEntry: false })?.mtimeMs;
    // A build has begun to use it meanwhile, or has removed it.
    if (used === undefined || (used !== file.used && !rules.all)) continue;
    try {
      await rm(file.path, { force: true });
    } catch (cause) {
      const reason = systemReason(cause);
      throw new RundleError('E_OUTPUT', `removing ${file.path} from the cache: ${reason}`, {
        cause,
      });
    }
    removed.push(file);
  }
  return removed;
}

function chosen(
  files: readonly CachedFile[],
  { olderThan, maxSize, all }: PruneRules,
  now: number,
): CachedFile[] {
  if (all) return [...files];
  const isOld = (file: CachedFile) => olderThan !== undefined && now - file.used > olderThan;
  const victims = files.filter(isOld);
  if (maxSize === undefined) return victims;
  const rest = files.filter((file) => !isOld(file)).sort((a, b) => a.used - b.used);
  let size = rest.reduce((sum, file) => sum + file.size, 0);
  for (const file of rest) {
    if (size <= maxSize) break;
    victims.push(file);
    size -= file.size;
  }
  return victims;
}

async function assertMayPrune(root: string): Promise<void> {
  try {
    await assertOwn(await realpath(root));
  } catch (cause) {
    throw new RundleError('E_OUTPUT', `pruning the cache ${root}: ${reasonOf(cause)}`, { cause });
  }
}

function entryOf(root: string, digest: string): CachedFile[] {
  if (!isDigest(digest)) return [];
  const path = entryPath(root, digest);
  const status = lstatSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true
    ? [{ digest, path, size: status.size, used: status.mtimeMs }]
    : [];
}

function orNothing<T>(directory: string, list: (directory: string) => T[]): T[] {
  try {
    return list(directory);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new RundleError('E_SOURCE', `reading the cache ${directory}: ${systemReason(cause)}`, {
      cause,
    });
  }
}
