import type { Arrival } from '../blob/arrival.js';
import { type Announced, BlobReader } from '../blob/blob-reader.js';
import type { FileRange } from '../blob/file-range.js';
import { type Compression, detectCompression, SNIFF_LENGTH } from './compression.js';
import { gunzip, type ReadChunk, type Sink } from './gzip.js';
import { unzstd } from './zstd.js';

/** What takes the uncompressed bytes of an archive. */
export interface ArchivePass<Result> {
  take: Sink;
  /** The fault of a write in `take`: then the rest of the archive tells nothing more. */
  readonly writeFault: unknown;
  /** After the last byte, when the stored bytes were the announced ones. */
  finish(): Result;
  /** In every case. */
  close(): void;
}

/**
 * Reads an archive from front to back, verifies its stored bytes and hands it on uncompressed to the pass that `open` makes. `onProgress` gets the number
 * of stored bytes read so far. With an `arrival` the file is read while it comes. Meant for a worker thread. Throws E_DIGEST for wrong stored bytes in place of what decoding them led to, E_FORMAT,
 * E_SOURCE, E_UNSUPPORTED, and what the pass throws.
 */
export async function passThrough<Result>(
  file: FileRange,
  announced: Announced,
  where: string,
  open: (compression: Compression) => ArchivePass<Result>,
  onProgress: (done: number) => void,
  arrival?: Arrival,
): Promise<Result> {
  const reader = await BlobReader.open(file, announced, where, arrival);
  try {
    const first = await reader.read();
    const start = first?.subarray(0, SNIFF_LENGTH) ?? new Uint8Array(0);
    const compression = detectCompression(start, where);
    const pass = open(compression);
    let pending = first;
    const read = async () => {
      const chunk = pending ?? (await reader.read());
      pending = undefined;
      onProgress(reader.done);
      return chunk;
    };
    try {
      await decode(compression, read, pass.take, where).catch(async (fault: unknown) => {
        if (pass.writeFault === undefined) await reader.verify();
        throw fault;
      });
      await reader.verify();
      return pass.finish();
    } finally {
      pass.close();
    }
  } finally {
    await reader.close();
  }
}

async function decode(
  compression: Compression,
  read: ReadChunk,
  sink: Sink,
  where: string,
): Promise<void> {
  if (compression === 'gzip') return gunzip(read, sink, where);
  if (compression === 'zstd') return unzstd(read, sink, where);
  for (let chunk = await read(); chunk !== undefined; chunk = await read()) sink(chunk);
}
