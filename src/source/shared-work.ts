/**
 * Work that several loads from one source have in common, such as uncompressing the archive that holds the image for each of
 * two platforms: of each key it is done once. Results are kept as long as this object.
 */
export class SharedWork {
  readonly #results = new Map<string, Promise<unknown>>();

  /** What `work` gave when it was first asked for under `key`; the same key must always mean the same type. */
  once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const known = this.#results.get(key);
    if (known !== undefined) return known as Promise<T>;
    const result = work();
    this.#results.set(key, result);
    return result;
  }
}
