import type { Arrival } from '../blob/arrival.js';
import type { FileRange } from '../blob/file-range.js';
import type { Digest } from '../oci/digest.js';
import type { ByteRange } from '../tree/layer-contents.js';
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
  /**
   * Where the uncompressed archive goes, when `file` is compressed or may change: a path that does not exist yet. Without it such an archive is
   * indexed and not kept.
   */
  spool?: string | undefined;
  /** Files of at least so many bytes are told of in blocks of this size, as soon as each can be read. */
  blockSize?: number | undefined;
}

/** A part of a large file that can be read at `path`: a block of it, or its end. */
export interface ReadyBlock {
  path: string;
  offset: number;
  length: number;
}

/** A job whose archive may still be on its way; with an `arrival` it can be read meanwhile. */
export type ComingJob = Omit<IndexJob, 'file'> & {
  file: FileRange | Promise<FileRange>;
  arrival?: Arrival | undefined;
};

/** What is known of an archive afterwards. */
export interface ArchiveIndex {
  entries: TarEntry[];
  /** The file that the entries' data offsets count in: `spool`, or the archive itself; undefined when it was not kept. */
  path: string | undefined;
  /** The archive as it is stored. */
  file: FileRange;
  /** Bytes of the uncompressed archive. */
  size: number;
  /** Digest of the uncompressed archive. */
  diffId: Digest;
  /** True when `spool` was written. */
  spooled: boolean;
}

/** Parts of an archive that was indexed before, to be uncompressed again. */
export interface ExtractJob {
  /** As in IndexJob. */
  name: string;
  file: FileRange;
  /** What the uncompressed archive had. */
  diffId: Digest;
  /** Offsets in the uncompressed archive, ascending, with gaps. */
  ranges: readonly ByteRange[];
  /** The file to write them to, each at its offset: a path that does not exist yet. Without it they are given back, one after the other. */
  target: string | undefined;
}
