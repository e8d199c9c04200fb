import type { Compressor, Decode } from './decode.js';
import { inflate } from './inflate.js';
import { decodeLz4 } from './lz4.js';
import { decodeLzo } from './lzo.js';
import { decodeXz } from './xz.js';
import { loadZstdDecoder } from './zstd.js';

const loaded = new Map<Compressor, Promise<Decode>>();

/** The decoder of a compressor, the same for each call in a thread. */
export function loadDecoder(compressor: Compressor): Promise<Decode> {
  let decoder = loaded.get(compressor);
  if (decoder === undefined) {
    decoder = load(compressor);
    loaded.set(compressor, decoder);
  }
  return decoder;
}

async function load(compressor: Compressor): Promise<Decode> {
  switch (compressor) {
    case 'gzip':
      return inflate;
    case 'lzo':
      return decodeLzo;
    case 'xz':
      return decodeXz;
    case 'lz4':
      return decodeLz4;
    case 'zstd':
      return loadZstdDecoder();
  }
}
