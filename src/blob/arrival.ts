import type { FileRange } from './file-range.js';

/**
 * A file that somebody is still writing, and how much of it can be read. The bytes are not verified yet, and the writer may have to begin anew: then, and when
 * it fails, the arrival is lost, and who follows it has to wait for the complete file.
 */
export class Arrival {
  readonly #listeners = new Set<() => void>();
  #file: FileRange | undefined;
  #size = 0;
  #isLost = false;

  /** Bytes that can be read. */
  get size(): number {
    return this.#size;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** The file at `path` begins to grow; in the end it has `size` bytes. */
  begin(path: string, size: number): void {
    this.#file = { path, offset: 0, size, mayChange: true };
    this.#tell();
  }

  /** The first `size` bytes are there. Fewer than before: what was there was wrong. */
  advance(size: number): void {
    if (size < this.#size) this.#isLost = true;
    else this.#size = size;
    this.#tell();
  }

  /** No more will come. */
  lose(): void {
    this.#isLost = true;
    this.#tell();
  }

  /** Calls `listener` after every change, until the function that is given back is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The file that it is to be, as soon as it begins: never, when the whole was there before. */
  begun(): Promise<FileRange> {
    return this.#when(() => this.#file);
  }

  /** True when `size` bytes can be read, false when they never will. */
  reaches(size: number): Promise<boolean> {
    return this.#when(() => {
      if (this.#size >= size && !this.#isLost) return true;
      return this.#isLost ? false : undefined;
    });
  }

  /** What `find` gives as soon as it gives something. */
  #when<T>(find: () => T | undefined): Promise<T> {
    const found = find();
    if (found !== undefined) return Promise.resolve(found);
    return new Promise((resolve) => {
      const end = this.onChange(() => {
        const found = find();
        if (found === undefined) return;
        end();
        resolve(found);
      });
    });
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
