import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileRange, systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { BlobCache, PartialBlob } from './access.js';

/** Blobs in a private directory that somebody else makes and removes: they last as long as the pull. */
export function spoolCache(directory: string): BlobCache {
  const complete = new Map<Digest, FileRange>();
  return {
    find: async (digest, size) => {
      const file = complete.get(digest);
      return size === undefined || file?.size === size ? file : undefined;
    },
    begin: async (digest) => {
      const path = join(directory, digest.replace(':', '-'));
      return openPartial(path, (file) => complete.set(digest, file));
    },
    reject: async (digest) => {
      complete.delete(digest);
    },
  };
}

async function openPartial(
  path: string,
  onComplete: (file: FileRange) => void,
): Promise<PartialBlob> {
  const fault = (cause: unknown) =>
    new RundleError('E_OUTPUT', `writing what is downloaded to ${path}: ${systemReason(cause)}`, {
      cause,
      hint: 'TMPDIR names the directory for temporary files',
    });
  let handle: FileHandle;
  let size: number;
  try {
    handle = await open(path, 'a', 0o600);
    size = (await handle.stat()).size;
  } catch (cause) {
    throw fault(cause);
  }
  const close = () => handle.close().catch(() => undefined);
  return {
    path,
    get size() {
      return size;
    },
    async write(chunk) {
      try {
        for (let at = 0; at < chunk.length; ) {
          at += (await handle.write(chunk, at, chunk.length - at)).bytesWritten;
        }
      } catch (cause) {
        throw fault(cause);
      }
      size += chunk.length;
    },
    async restart() {
      await handle.truncate(0).catch((cause: unknown) => {
        throw fault(cause);
      });
      size = 0;
    },
    async complete() {
      await close();
      const file = { path, offset: 0, size };
      onComplete(file);
      return file;
    },
    keep: close,
    async discard() {
      await close();
      await rm(path, { force: true }).catch(() => undefined);
    },
  };
}
