import { createRequire } from 'node:module';

/** The part of zstd-codec that is used; the package has no types of its own. */
interface ZstdModule {
  ZstdCodec: { run(ready: (zstd: { Simple: new () => SimpleCodec }) => void): void };
}
interface SimpleCodec {
  compress(bytes: Uint8Array, level: number): Uint8Array | null;
}

/** Makes one zstd frame, with content size and without checksum, of at most 1 MiB, at a level. */
export type Compress = (bytes: Uint8Array, level: number) => Uint8Array;

/**
 * Loads the compressor (WebAssembly, or plain JavaScript where there is none). The frame depends on bytes and
 * level alone: every call works with a fresh context. A call throws when the heap is too small.
 */
export async function loadCodec(): Promise<Compress> {
  const { ZstdCodec } = createRequire(import.meta.url)('zstd-codec') as ZstdModule;
  const simple = await new Promise<SimpleCodec>((resolve) => {
    ZstdCodec.run((zstd) => resolve(new zstd.Simple()));
  });
  return (bytes, level) => {
    const frame = simple.compress(bytes, level);
    if (frame === null) throw new Error(`zstd-codec cannot compress ${bytes.length} bytes`);
    return frame;
  };
}
