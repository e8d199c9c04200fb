import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { access, type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RundleError, reasonOf } from '../errors.js';

/** A file that appears under its name complete or not at all. */
export interface Output {
  readonly path: string;
  /** Open for reading and writing; empty at first. */
  readonly handle: FileHandle;
  /** Gives the file mode 0755 and its name. Throws E_OUTPUT, also when the name was taken meanwhile. */
  publish(): Promise<void>;
  /** Closes and removes what was written; does nothing after `publish`. Never throws. */
  discard(): Promise<void>;
}

const pending = new Set<string>();
let removesAtExit = false;

/**
 * Removes the temporaries of all outputs that are neither published nor discarded. For handlers of signals,
 * before the process ends; a plain `process.exit` does it by itself. Never throws.
 */
export function discardPendingOutputs(): void {
  for (const path of pending) {
    pending.delete(path);
    try {
      unlinkSync(path);
    } catch {
      // It is gone already.
    }
  }
}

/**
 * Opens a private temporary (mode 0700, random name, O_EXCL) beside `path`. Throws E_OUTPUT when `path` exists and
 * `force` is not set, when it is no file that can be replaced, and when its directory cannot be written.
 */
export async function openOutput(path: string, force = false): Promise<Output> {
  await checkName(path, force);
  const temporary = join(dirname(path), `.rundle-build-${randomBytes(8).toString('hex')}`);
  if (!removesAtExit) process.once('exit', discardPendingOutputs);
  removesAtExit = true;
  const handle = await creating(path, () => openTemporary(temporary));

  let open_ = true;
  const close = async () => {
    if (open_) await handle.close();
    open_ = false;
  };
  const discard = async () => {
    await close().catch(() => undefined);
    if (pending.delete(temporary)) await unlink(temporary).catch(() => undefined);
  };
  const publish = async () => {
    await creating(path, async () => {
      await handle.chmod(0o755);
      await handle.sync();
      await close();
      await giveName(temporary, path, force);
    });
    pending.delete(temporary);
    await syncDirectory(dirname(path));
  };
  return { path, handle, publish, discard };
}

/** Throws what `openOutput` would throw, and makes nothing: to be asked before long work. */
export async function checkOutput(path: string, force = false): Promise<void> {
  await checkName(path, force);
  await creating(path, () => access(dirname(path), constants.W_OK | constants.X_OK));
}

/** The E_OUTPUT for an error of the system while `path` was written. */
export function outputError(path: string, cause: unknown): RundleError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const hint = HINTS[code] ?? 'name another place with -o';
  return new RundleError('E_OUTPUT', `writing ${path}: ${REASONS[code] ?? reasonOf(cause)}`, {
    cause,
    hint,
  });
}

/** True for the errors of a write that mean: no room in the place of the output. */
export function isOutOfRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(
    (error as NodeJS.ErrnoException | null)?.code ?? '',
  );
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'its directory is not a directory',
  EACCES: 'no permission to create a file in its directory',
  EPERM: 'no permission to create a file in its directory',
  EROFS: 'its file system is read-only',
  ENOSPC: 'no space left on its file system',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file is too large for its file system or for the limit set by ulimit -f',
  EEXIST: 'it exists already',
  ENAMETOOLONG: 'its name is too long',
};

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'create the directory first, or name another with -o',
  EEXIST: 'use --force to replace it, or name another with -o',
  ENOSPC: 'make room, or name a place on another file system with -o',
  EDQUOT: 'make room, or name a place on another file system with -o',
};

/** Errors of link(2) on file systems that have no hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'];

async function creating<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof RundleError ? error : outputError(path, error);
  }
}

/** Made and remembered in one go: an end of the process that comes in between would leave it. */
async function openTemporary(temporary: string): Promise<FileHandle> {
  closeSync(openSync(temporary, 'wx', 0o700));
  pending.add(temporary);
  return open(temporary, constants.O_RDWR | constants.O_NOFOLLOW);
}

async function checkName(path: string, force: boolean): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw outputError(path, error);
  });
  if (found === undefined) return;
  if (!found.isFile() && !found.isSymbolicLink()) {
    const what = found.isDirectory() ? 'a directory' : 'no regular file';
    throw new RundleError('E_OUTPUT', `writing ${path}: it is ${what}`, {
      hint: 'name another with -o',
    });
  }
  if (!force) throw outputError(path, Object.assign(new Error(), { code: 'EEXIST' }));
}

/** Without `force`, by link(2): unlike rename(2) it never replaces what came into being meanwhile. */
async function giveName(temporary: string, path: string, force: boolean): Promise<void> {
  if (force) {
    await rename(temporary, path);
    return;
  }
  try {
    await link(temporary, path);
  } catch (error) {
    if (!NO_LINKS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await replacePlaceholder(temporary, path);
    return;
  }
  await unlink(temporary);
}

/** Takes the name with an empty file that nobody else can have made, then puts the output in its place. */
async function replacePlaceholder(temporary: string, path: string): Promise<void> {
  const placeholder = await open(path, 'wx', 0o600);
  await placeholder.close();
  try {
    await rename(temporary, path);
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

/** So that the name survives a crash of the machine; some file systems cannot, which does no harm. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY).catch(
    () => undefined,
  );
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}
