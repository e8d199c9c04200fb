/** Compressors whose blocks can be decoded. */
export type Compressor = 'gzip' | 'lzo' | 'xz' | 'lz4' | 'zstd';

/**
 * Decodes one block on its own: all of `stored` into at most `limit` bytes, which is also what it allocates at most,
 * whatever the block says of itself. The result may be shorter; the caller knows how long it has to be. Blocks its thread.
 *
 * Throws E_FORMAT for a damaged block and for one that has more than `limit` bytes, E_UNSUPPORTED for a feature that is
 * not there. The message says what is wrong with the data, not where they came from.
 */
export type Decode = (stored: Uint8Array, limit: number) => Uint8Array;
