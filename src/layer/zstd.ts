import { createRequire } from 'node:module';
import { RundleError, reasonOf } from '../errors.js';
import type { ReadChunk, Sink } from './gzip.js';
import { ZstdFrames } from './zstd-frames.js';

/** The part of zstd-codec's binding that is used here. */
interface DecompressStream {
  begin(): boolean;
  transform(chunk: Uint8Array, callback: (output: Uint8Array) => void): boolean;
  delete(): void;
}
interface Binding {
  ZstdDecompressStreamBinding: new () => DecompressStream;
}

/**
 * zstd-codec's WebAssembly has a fixed memory of 16 MiB, which a fresh instance can decode windows of 8 MiB in: what
 * zstd up to level 19 and Go's encoder by default make. Larger windows go to its build as plain
 * JavaScript, which is two to four times slower but takes as much memory as it is told to.
 */
const WASM_WINDOW = 8 * 1024 * 1024;
const JAVASCRIPT_MEMORY = 256 * 1024 * 1024;

/**
 * Decompresses Zstandard (RFC 8878), any number of frames, skippable ones included. It blocks its thread and is meant for a worker: output
 * goes to `sink` in pieces of at most 128 KiB, so memory is bounded by the window (at most 128 MiB). `where` begins messages.
 * Throws E_FORMAT for damaged and cut-off data, E_UNSUPPORTED for dictionaries and larger windows.
 */
export async function unzstd(read: ReadChunk, sink: Sink, where: string): Promise<void> {
  const frames = new ZstdFrames(where);
  let decoder: Decoder | undefined;
  const emit = (output: Uint8Array) => {
    sink(Buffer.from(output.buffer, output.byteOffset, output.byteLength));
  };
  try {
    for (let chunk = await read(); chunk !== undefined; chunk = await read()) {
      for (const part of frames.walk(chunk)) {
        if ('window' in part) {
          if (decoder === undefined || decoder.window < part.window) {
            decoder?.stream.delete();
            decoder = await openDecoder(part.window, where);
          }
        } else if (!transform(decoder, part, emit, where)) {
          throw new RundleError('E_FORMAT', `${where}: the zstd data is damaged`);
        }
      }
    }
    if (!frames.betweenFrames) {
      throw new RundleError('E_FORMAT', `${where}: the zstd data is cut off`);
    }
  } finally {
    decoder?.stream.delete();
  }
}

interface Decoder {
  stream: DecompressStream;
  /** Largest window in bytes that it can decode. */
  window: number;
}

async function openDecoder(window: number, where: string): Promise<Decoder> {
  const small = window <= WASM_WINDOW;
  const stream = await openStream(small, where);
  if (!stream.begin()) {
    throw new RundleError('E_UNSUPPORTED', `${where}: the zstd decoder does not start`);
  }
  return { stream, window: small ? WASM_WINDOW : Number.POSITIVE_INFINITY };
}

/** A fresh instance each time, because memory that an earlier stream has split up does not hold a full window. */
function openStream(small: boolean, where: string): Promise<DecompressStream> {
  const require = createRequire(import.meta.url);
  const build = small ? 'zstd-codec-binding-wasm' : 'zstd-codec-binding';
  const start = require(`zstd-codec/lib/${build}.js`) as (module: object) => void;
  return new Promise((resolve, reject) => {
    const module = {
      ...(!small && { TOTAL_MEMORY: JAVASCRIPT_MEMORY }),
      onRuntimeInitialized: () => {
        // The module itself has a `then` and would never settle a promise.
        const { ZstdDecompressStreamBinding } = module as unknown as Binding;
        resolve(new ZstdDecompressStreamBinding());
      },
      onAbort: (why: unknown) =>
        reject(
          new RundleError('E_UNSUPPORTED', `${where}: the zstd decoder failed: ${String(why)}`),
        ),
    };
    start(module);
  });
}

function transform(
  decoder: Decoder | undefined,
  part: Buffer,
  emit: (output: Uint8Array) => void,
  where: string,
): boolean {
  let sinkFault: unknown;
  const guarded = (output: Uint8Array) => {
    if (sinkFault !== undefined) return;
    try {
      emit(output);
    } catch (error) {
      // An exception must not unwind the decoder's own stack.
      sinkFault = error ?? new Error('the receiver of decompressed data failed');
    }
  };
  let sound: boolean;
  try {
    sound = decoder?.stream.transform(part, guarded) ?? false;
  } catch (cause) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `${where}: the zstd decoder failed: ${reasonOf(cause)}`,
      {
        cause,
      },
    );
  }
  if (sinkFault !== undefined) throw sinkFault;
  return sound;
}
