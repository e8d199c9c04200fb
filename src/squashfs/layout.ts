import { NONE } from './format.js';

/** Where the content of a regular file lies in the payload. */
export interface FileLayout {
  /** Position of the first data block, in bytes from the payload's start; 0 without data blocks. */
  start: number;
  /** Size words of the data blocks. */
  words: readonly number[];
  /** Bytes of the file in data blocks that were left out because they are zeros. */
  sparse: number;
  /** Number of the fragment block that holds the end of the file, or NONE. */
  fragment: number;
  /** Where the end lies in that fragment block, uncompressed bytes. */
  fragmentOffset: number;
}

/** Shared by all files without data blocks: most files of an image are small. */
const NO_WORDS: readonly number[] = [];

/** A layout without any content. */
export function emptyLayout(): FileLayout {
  return { start: 0, words: NO_WORDS, sparse: 0, fragment: NONE, fragmentOffset: 0 };
}

/** Adds a data block with its size word, at `position` in the payload, that holds `length` bytes of the file. */
export function addBlock(layout: FileLayout, word: number, position: number, length: number): void {
  if (layout.words === NO_WORDS) {
    layout.start = position;
    layout.words = [];
  }
  (layout.words as number[]).push(word);
  if (word === 0) layout.sparse += length;
}
