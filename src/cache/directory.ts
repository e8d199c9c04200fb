import { constants } from 'node:fs';
import { access, chmod, lstat, mkdir, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobPath } from '../blob/blob-store.js';
import { systemReason } from '../blob/file-range.js';
import { reasonOf } from '../errors.js';
import type { Digest } from '../oci/digest.js';

/** Below a cache: files that are being downloaded. */
export const PARTIAL = 'partial';
/** Below a cache: a directory for each build that uses entries. */
export const IN_USE = 'in-use';

const PARTS = ['', 'blobs', 'blobs/sha256', 'blobs/sha512', PARTIAL, IN_USE];

/** bford.info/cachedir: backup programs leave such a directory out. */
const CACHE_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This file marks a cache directory of rundle. Everything in it can be downloaded again.
`;

/** The path of a blob below the cache `root`. */
export function entryPath(root: string, digest: Digest): string {
  return join(root, blobPath(digest));
}

/**
 * Makes the cache at `path`, as far as it is missing, and gives its real path. Throws a plain Error with the reason when this process may not write there, or should not,
 * because somebody else could change what it writes.
 */
export async function openForWriting(path: string): Promise<string> {
  try {
    await makeRoot(path);
    // Only the way to the cache may lead through symbolic links: homes are often moved to other disks that way.
    const root = await realpath(path);
    for (const part of PARTS) {
      const directory = join(root, part);
      if (part !== '') await mkdir(directory, 0o700).catch(unlessThere);
      await assertOwn(directory);
    }
    await access(root, constants.W_OK);
    await writeFile(join(root, 'CACHEDIR.TAG'), CACHE_TAG, { flag: 'wx', mode: 0o644 }).catch(
      unlessThere,
    );
    return root;
  } catch (error) {
    throw new Error(systemReason(error), { cause: error });
  }
}

/** Throws an Error with the reason when `directory` is no directory that belongs to this user and that nobody else may write to. */
export async function assertOwn(directory: string): Promise<void> {
  const { mode, uid, isDirectory } = await kindOf(directory);
  if (!isDirectory) throw new Error(`${directory} is not a directory`);
  if (uid !== process.geteuid?.()) throw new Error(`${directory} belongs to another user`);
  if ((mode & 0o022) !== 0) throw new Error(`others may write to ${directory}`);
}

/**
 * What a new entry's mode is: readable for whom its directory is readable. So a cache that somebody opens to others, once, stays
 * open to them.
 */
export async function entryMode(path: string): Promise<number> {
  return 0o600 | ((await lstat(dirname(path))).mode & 0o044);
}

async function makeRoot(path: string): Promise<void> {
  const isThere = await lstat(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const parent = await nearest(dirname(path));
  const { uid } = await stat(parent);
  // Under sudo HOME may be the caller's: a cache of root's there would be in the way of his own.
  if (uid !== 0 && uid !== process.geteuid?.()) {
    throw new Error(`${parent} belongs to another user`);
  }
  await makeAll(path);
  // Despite any unusual umask.
  await chmod(path, 0o700);
}

/** Node's own recursive mkdir does not end where the kernel answers ENOENT although the parent is there, as in /proc. */
async function makeAll(path: string): Promise<void> {
  try {
    await mkdir(path, 0o700);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || path === dirname(path)) throw error;
    await makeAll(dirname(path));
    await mkdir(path, 0o700).catch(unlessThere);
  }
}

async function nearest(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch (error) {
    if (path === dirname(path) || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return nearest(dirname(path));
  }
}

async function kindOf(path: string) {
  const status = await lstat(path);
  return { mode: status.mode, uid: status.uid, isDirectory: status.isDirectory() };
}

function unlessThere(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
    throw new Error(reasonOf(error), { cause: error });
}
