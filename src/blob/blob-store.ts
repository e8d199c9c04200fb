import { join } from 'node:path';
import { RundleError } from '../errors.js';
import { algorithmOf, type Digest, hexOf } from '../oci/digest.js';
import type { Arrival } from './arrival.js';
import { type FileRange, wholeFile } from './file-range.js';

/** What a blob is to the image, and its announced size in bytes: a store that has to fetch it needs to know. */
export type BlobRole =
  | { kind: 'manifest'; size?: number }
  | { kind: 'config'; size: number }
  /** `arrival` is told of a layer that has to be fetched, so that it can be read meanwhile. */
  | { kind: 'layer'; size: number; arrival?: Arrival };

/** Where an image's blobs are found by their digest. What it gives is not verified yet. */
export interface BlobStore {
  /**
   * The place of a blob on disk; `where` begins messages. Throws E_SOURCE when there is none.
   */
  locate(digest: Digest, where: string, role: BlobRole): Promise<FileRange>;
}

/** A blob's path relative to the layout (OCI image-layout.md): made from the digest and nothing else. */
export function blobPath(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
}

/** The blobs of an OCI layout in a directory. */
export function directoryStore(directory: string): BlobStore {
  return {
    locate: (digest, where) => wholeFile(join(directory, blobPath(digest)), where),
  };
}

/** The error for a blob that is in no place where it could be. */
export function missingBlob(digest: Digest, holder: string, where: string): RundleError {
  return new RundleError('E_SOURCE', `${where}: there is no ${blobPath(digest)} in ${holder}`, {
    hint: 'the image is incomplete; get it again',
  });
}
