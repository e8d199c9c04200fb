/** The contents of a layer, an archive that is perhaps compressed: they can be read as long as they are on disk. */
export interface LayerContents {
  /** Bytes of the archive, uncompressed. */
  readonly size: number;
  /** The file that offsets count in while its spool has the contents there; another one each time. */
  readonly path: string;
  readonly spool: LayerSpool;
}

/** Bytes of a layer from `from` up to, but without, `to`. */
export interface ByteRange {
  from: number;
  to: number;
}

/** Parts of several layers. */
export type LayerParts = ReadonlyMap<LayerContents, readonly ByteRange[]>;

/**
 * Where the contents of an image's layers are uncompressed to. All of them together may need many times the disk that one needs, so they
 * take turns. All methods throw E_SOURCE, E_DIGEST and E_FORMAT when a layer is no longer what it was, and E_OUTPUT.
 */
export interface LayerSpool {
  /** Puts `parts` where their layers' `path` says, for threads to read, and takes away all else, so that there is room. */
  keepOnly(parts: LayerParts): Promise<void>;
  /** Gets parts into memory that will be read soon. Together, because what is not on disk costs a pass over its layer. */
  fetch(parts: LayerParts): Promise<void>;
  /** Fills `target` with what is at `position` of a layer. */
  read(layer: LayerContents, position: number, target: Uint8Array): Promise<void>;
}

/** The same bytes in ascending order, none of them twice; ranges with less than `gap` bytes between them become one. */
export function mergeRanges(ranges: readonly ByteRange[], gap = 0): ByteRange[] {
  const merged: ByteRange[] = [];
  for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to + gap) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}
