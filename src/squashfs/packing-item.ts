import type { FileRecord } from './census.js';
import type { BlockRequest } from './job.js';
import type { FileLayout } from './layout.js';

/** A block to be made, and where it belongs: a file's data, or without `layout` the fragment table. */
export interface PlannedBlock {
  request: BlockRequest;
  layout: FileLayout | undefined;
}

/** A file to be packed, with the layout that is filled in. */
export interface PackingItem {
  /** Number of the file for messages. */
  number: number;
  file: FileRecord;
  layout: FileLayout;
  /** Stored uncompressed and without a fragment. */
  raw: boolean;
}
