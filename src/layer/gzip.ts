import { createGunzip, type Gunzip } from 'node:zlib';
import { RundleError, reasonOf } from '../errors.js';

/** Gives the next piece of input, valid until the next call; undefined at the end. */
export type ReadChunk = () => Promise<Buffer | undefined>;
/** Takes a piece of output, valid during the call. */
export type Sink = (chunk: Buffer) => void;

/** Output in pieces of this size; four of them wait while the sink works, so that it and zlib's thread overlap. */
const OUTPUT_CHUNK = 256 * 1024;
const OUTPUT_QUEUE = 4 * OUTPUT_CHUNK;

/**
 * Decompresses gzip (RFC 1952), also of several members, as pigz and eStargz write it. Zeros behind the last member are padding;
 * anything else there is an error. `where` begins messages. Throws E_FORMAT; errors of `read` and `sink` pass
 * through.
 */
export async function gunzip(read: ReadChunk, sink: Sink, where: string): Promise<void> {
  const inflater = createGunzip({ chunkSize: OUTPUT_CHUNK, highWaterMark: OUTPUT_QUEUE } as object);
  let readerFault: unknown;
  const feeding = feed(inflater, read, where).catch((error: unknown) => {
    readerFault = error;
    inflater.destroy();
  });
  let zlibFault: unknown;
  inflater.on('error', (error) => {
    zlibFault = error;
  });
  try {
    for await (const chunk of inflater) sink(chunk as Buffer);
  } catch (error) {
    if (readerFault === undefined && error !== zlibFault) throw error;
  } finally {
    inflater.destroy();
    await feeding;
  }
  if (zlibFault !== undefined) throw damaged(zlibFault, where);
  if (readerFault !== undefined) throw readerFault;
}

async function feed(inflater: Gunzip, read: ReadChunk, where: string): Promise<void> {
  let fed = 0;
  let complete = false;
  for (let chunk = await read(); chunk !== undefined; chunk = await read()) {
    let rest = chunk;
    if (!complete) {
      await write(inflater, chunk);
      fed += chunk.length;
      // zlib leaves what follows the last member untouched.
      const left = fed - inflater.bytesWritten;
      complete = left > 0;
      rest = chunk.subarray(chunk.length - left);
    }
    if (rest.some((byte) => byte !== 0)) {
      throw new RundleError('E_FORMAT', `${where}: other bytes follow the gzip data`);
    }
  }
  inflater.end();
}

/** zlib does not call back for the piece that it found a fault in; then the stream's end settles the promise. */
function write(inflater: Gunzip, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = () => reject(new Error('the decompressor was closed'));
    inflater.once('close', closed);
    inflater.write(chunk, (error) => {
      inflater.off('close', closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

function damaged(cause: unknown, where: string): RundleError {
  const truncated = (cause as { code?: string }).code === 'Z_BUF_ERROR';
  const why = truncated
    ? 'the gzip data is cut off'
    : `the gzip data is damaged: ${reasonOf(cause)}`;
  return new RundleError('E_FORMAT', `${where}: ${why}`, { cause });
}
