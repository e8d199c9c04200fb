import { NONE } from './format.js';

/** Where the content of a regular file lies in the payload. */
export interface FileLayout {
  /** Position of the first data block, in bytes from the payload's start; 0 without data blocks. */
  start: number;
  /** Size words of the data blocks. */
  words: number[];
  /** Bytes of the file in data blocks that were left out because they are zeros. */
  sparse: number;
  /** Number of the fragment block that holds the end of the file, or NONE. */
  fragment: number;
  /** Where the end lies in that fragment block, uncompressed bytes. */
  fragmentOffset: number;
}

/** A layout without any content. */
export function emptyLayout(): FileLayout {
  return { start: 0, words: [], sparse: 0, fragment: NONE, fragmentOffset: 0 };
}
