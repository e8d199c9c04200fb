import type { ByteRange } from '../tree/layer-contents.js';

/** Parts of a layer in memory. */
export class RememberedParts {
  #parts: { range: ByteRange; bytes: Uint8Array }[] = [];

  /** `bytes` are those of all ranges, one after the other. */
  add(ranges: readonly ByteRange[], bytes: Uint8Array): void {
    let at = 0;
    for (const range of ranges) {
      const length = range.to - range.from;
      this.#parts.push({ range, bytes: bytes.subarray(at, at + length) });
      at += length;
    }
  }

  has(part: ByteRange): boolean {
    return this.#find(part) !== undefined;
  }

  /** Fills `target` with a part that is here. */
  copy(part: ByteRange, target: Uint8Array): void {
    const found = this.#find(part);
    if (found === undefined) throw new Error('nobody has fetched this part');
    const at = part.from - found.range.from;
    target.set(found.bytes.subarray(at, at + part.to - part.from));
  }

  clear(): void {
    this.#parts = [];
  }

  #find({ from, to }: ByteRange) {
    return this.#parts.find(({ range }) => range.from <= from && to <= range.to);
  }
}
