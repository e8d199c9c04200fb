import type { ReadyBlock } from './index-job.js';
import type { TarEntry } from './tar-entry.js';

/** Tells of the blocks of large files, while the archive that they are in becomes readable. */
export class ReadyBlocks {
  readonly #path: string;
  readonly #origin: number;
  readonly #blockSize: number;
  readonly #onBlock: (block: ReadyBlock) => void;
  /** What is not told of yet of the files that have come, in their order. */
  #pending: { from: number; to: number }[] = [];

  /** The archive starts at `origin` of the file `path`. */
  constructor(
    path: string,
    origin: number,
    blockSize: number,
    onBlock: (block: ReadyBlock) => void,
  ) {
    this.#path = path;
    this.#origin = origin;
    this.#blockSize = blockSize;
    this.#onBlock = onBlock;
  }

  /** The next entry of the archive. Files with holes are passed over. */
  entry({ kind, size, data }: TarEntry): void {
    const [part] = data;
    if (kind !== 'file' || size < this.#blockSize || part?.length !== size) return;
    this.#pending.push({ from: part.offset, to: part.offset + size });
  }

  /** The first `size` bytes of the archive can be read now. */
  readable(size: number): void {
    const end = this.#origin + size;
    for (let file = this.#pending[0]; file !== undefined; file = this.#pending[0]) {
      while (file.from < file.to) {
        const length = Math.min(this.#blockSize, file.to - file.from);
        if (file.from + length > end) return;
        this.#onBlock({ path: this.#path, offset: file.from, length });
        file.from += length;
      }
      this.#pending.shift();
    }
  }
}
