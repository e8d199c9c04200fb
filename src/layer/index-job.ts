import type { FileRange } from '../blob/file-range.js';
import type { Digest } from '../oci/digest.js';
import type { TarEntry } from './tar-entry.js';

/** One archive to be verified, decompressed if need be, and indexed. Plain data: it goes to a worker thread. */
export interface IndexJob {
  /** For messages and progress: "layer 2 of 3 (sha256:...)". */
  name: string;
  /** The archive as it is stored, perhaps compressed. */
  file: FileRange;
  /** What the stored bytes were announced with. */
  digest?: Digest | undefined;
  size?: number | undefined;
  /** Digest that the uncompressed archive must have. */
  diffId?: Digest | undefined;
  /** Where the uncompressed archive goes, when `file` is compressed or may change: a path that does not exist yet. */
  spool: string;
}

/** A job whose archive may still be on its way. */
export type ComingJob = Omit<IndexJob, 'file'> & { file: FileRange | Promise<FileRange> };

/** What is known of an archive afterwards. */
export interface ArchiveIndex {
  entries: TarEntry[];
  /** The file that the entries' data offsets count in: `spool`, or the archive itself. */
  path: string;
  /** Digest of the uncompressed archive. */
  diffId: Digest;
  /** True when `spool` was written. */
  spooled: boolean;
}
