import { closeSync, constants, openSync, renameSync } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../oci/digest.js';
import { NOBODY, thisProcess } from './owner.js';
import {
  listPartials,
  newName,
  orderOf,
  type PartialFile,
  startWriting,
  stopWriting,
} from './partial-file.js';

/** How often is looked whether another build has got further. Milliseconds. */
const INTERVAL = 200;
/** Who has not written for so long is not waited for. Milliseconds. */
const STALL = 15_000;

const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** What a claim takes from its surroundings. */
export interface ClaimContext {
  /** Whether the blob is in the cache by now. */
  isComplete(): Promise<boolean>;
  /** Called once, when it has to wait. */
  onWait?: () => void;
  signal?: AbortSignal | undefined;
  /** Another value for STALL. */
  stall?: number;
}

/** A partial file that only this process writes to. */
export interface Claim {
  path: string;
  handle: FileHandle;
  size: number;
}

/**
 * A partial file of `digest` in `directory` for this process alone, with what an earlier writer has left; undefined when the blob is complete meanwhile.
 * README.md explains why no lock is needed. While another process is writing the same blob it waits; one that makes no progress is overtaken with a copy of
 * what it has got. Throws system errors, and the signal's reason.
 */
export async function claim(
  directory: string,
  digest: Digest,
  context: ClaimContext,
): Promise<Claim | undefined> {
  const watch = new Watch(context.stall ?? STALL);
  let waits = false;
  for (;;) {
    context.signal?.throwIfAborted();
    if (await context.isComplete()) return undefined;
    const others = listPartials(directory, digest);
    const free = others.filter(({ state }) => state === 'free').sort((a, b) => b.size - a.size);
    if (others.some((file) => watch.isGrowing(file))) {
      if (!waits) context.onWait?.();
      waits = true;
      await sleep(INTERVAL, undefined, { ...(context.signal && { signal: context.signal }) }).catch(
        () => undefined,
      );
      continue;
    }
    const path = free[0] === undefined ? create(directory, digest) : adopt(directory, free[0]);
    if (path === undefined) continue;
    const rivals = listPartials(directory, digest).filter(
      (file) => file.path !== path && watch.isGrowing(file),
    );
    if (rivals.some(({ order }) => order < orderOf(path))) {
      await giveBack(path, directory, digest);
      continue;
    }
    // The other one may have completed it between the two looks.
    if (await context.isComplete()) {
      await forget(path);
      return undefined;
    }
    for (const { path: useless } of free.slice(1)) await rm(useless, { force: true });
    return start(path, others);
  }
}

/** A new file of this process. It is synchronous, so that little time lies between the look at the others and this. */
function create(directory: string, digest: Digest): string {
  const path = newName(directory, digest, thisProcess());
  startWriting(path);
  try {
    closeSync(openSync(path, CREATE, 0o600));
  } catch (error) {
    stopWriting(path);
    throw error;
  }
  return path;
}

/** Takes over what nobody writes to: of several that rename a file, one succeeds. Undefined for the others. */
function adopt(directory: string, { path: left, digest }: PartialFile): string | undefined {
  const path = newName(directory, digest, thisProcess());
  startWriting(path);
  try {
    renameSync(left, path);
    return path;
  } catch (error) {
    stopWriting(path);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Leaves a file to whoever wants to go on with it; an empty one is of no use. Throws system errors. */
export async function giveBack(path: string, directory: string, digest: Digest): Promise<void> {
  const { size } = await lstat(path);
  if (size === 0) return forget(path);
  await rename(path, newName(directory, digest, NOBODY));
  stopWriting(path);
}

/** Removes a file of this process. Throws system errors. */
export async function forget(path: string): Promise<void> {
  await rm(path, { force: true });
  stopWriting(path);
}

async function start(path: string, others: readonly PartialFile[]): Promise<Claim> {
  const handle = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const { size } = await handle.stat();
    // Those that are still there are not free: they may be written to again, so that their bytes can only be copied.
    const [largest] = others
      .filter(({ state }) => state !== 'free')
      .sort((a, b) => b.size - a.size);
    if (size > 0 || largest === undefined) return { path, handle, size };
    return { path, handle, size: await copyInto(handle, largest) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function copyInto(target: FileHandle, { path, size }: PartialFile): Promise<number> {
  let source: FileHandle;
  try {
    source = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return 0;
  }
  try {
    return await copyBytes(source, target, size);
  } finally {
    await source.close();
  }
}

/** Copies the first `size` bytes, or as many as there are, and gives their number. Throws system errors. */
export async function copyBytes(
  source: FileHandle,
  target: FileHandle,
  size: number,
): Promise<number> {
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  let done = 0;
  while (done < size) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, size - done), done);
    if (bytesRead === 0) break;
    await writeAt(target, buffer.subarray(0, bytesRead), done);
    done += bytesRead;
  }
  return done;
}

/** Writes all of `bytes` at `position`. Throws system errors. */
export async function writeAt(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}

/** Tells writers that make progress from those that hang. */
class Watch {
  readonly #limit: number;
  readonly #seen = new Map<string, { size: number; since: number }>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  isGrowing({ path, size, state }: PartialFile): boolean {
    if (state !== 'written') return false;
    const now = performance.now();
    const seen = this.#seen.get(path);
    if (seen === undefined || seen.size !== size) {
      this.#seen.set(path, { size, since: now });
      return true;
    }
    return now - seen.since < this.#limit;
  }
}
