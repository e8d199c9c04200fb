import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { RundleError, reasonOf } from '../errors.js';

/** Bytes of a file on disk: a blob in a layout, or a member of an archive. Lengths and offsets in bytes. */
export interface FileRange {
  path: string;
  offset: number;
  size: number;
  /** True when another user may write to the file: what was verified has to be copied before it is used. */
  mayChange?: true;
}

/**
 * Opens a regular file for reading and gives its size; `where` begins messages. Throws E_SOURCE when it is
 * missing, unreadable or not a regular file (a FIFO would hold the open call for ever, hence O_NONBLOCK).
 */
export async function openFile(
  path: string,
  where: string,
): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new RundleError('E_SOURCE', `${where}: opening ${path}: ${systemReason(cause)}`, {
      cause,
    });
  }
  try {
    const status = await handle.stat();
    if (!status.isFile()) {
      throw new RundleError('E_SOURCE', `${where}: opening ${path}: it is not a regular file`);
    }
    return { handle, size: status.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The whole of a file as a range. Errors as `openFile`. */
export async function wholeFile(path: string, where: string): Promise<FileRange> {
  const { handle, size } = await openFile(path, where);
  await handle.close();
  return { path, offset: 0, size };
}

/** The text of a failed system call without the path, which messages name themselves. */
export function systemReason(error: unknown): string {
  return reasonOf(error).replace(/, [a-z]+( '.*')?$/s, '');
}
