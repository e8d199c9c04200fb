import type { Readable } from 'node:stream';
import { systemReason } from '../blob/file-range.js';
import { isRundleError, RundleError } from '../errors.js';
import type { ReadChunk } from '../layer/gzip.js';
import { spoolArchive } from './archive-stream.js';
import { loadStreamedImage } from './streamed-image.js';
import type { Transport } from './transport.js';

const SOURCE = 'standard input';
const USE = 'docker save IMAGE | rundle build - -o IMAGE.run';

/**
 * `-`: what `docker save`, `podman save` or `skopeo copy` writes, from standard input. Which of the two formats it is, its members
 * tell, and the manifest records that: the bundle is the same as that made from the file.
 */
export const standardInput: Transport = {
  name: '-',
  syntax: '-',
  parse: () => undefined,
  async load(_, context) {
    const spool = () => spoolArchive(chunksOf(process.stdin), SOURCE, context);
    const stream = await (context.shared?.once(SOURCE, spool) ?? spool());
    try {
      return await loadStreamedImage(stream, SOURCE, context);
    } catch (error) {
      throw withoutChoice(error);
    }
  },
};

/** There is no place for a reference behind `-`, so one of several images cannot be named. */
function withoutChoice(error: unknown): unknown {
  if (!isRundleError(error, 'E_SOURCE') || error.details.names === undefined) return error;
  return new RundleError(error.code, error.message, {
    cause: error,
    hint: `send one image alone: ${USE}`,
  });
}

/** The chunks of a stream, one at a time. Throws E_SOURCE when it is a terminal or cannot be read. */
function chunksOf(stream: Readable & { isTTY?: boolean }): ReadChunk {
  if (stream.isTTY) {
    throw new RundleError('E_SOURCE', `reading ${SOURCE}: it is a terminal`, {
      hint: `send an image, for example ${USE}`,
    });
  }
  const iterator = stream[Symbol.asyncIterator]();
  return async () => {
    try {
      const { done, value } = await iterator.next();
      return done ? undefined : (value as Buffer);
    } catch (cause) {
      throw new RundleError('E_SOURCE', `reading ${SOURCE}: ${systemReason(cause)}`, { cause });
    }
  };
}
