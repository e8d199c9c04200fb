import type { Readable } from 'node:stream';
import { systemReason } from '../blob/file-range.js';
import { isRundleError, RundleError } from '../errors.js';
import type { ReadChunk } from '../layer/gzip.js';
import { CUT_OFF, type StreamedArchive, spoolArchive } from './archive-stream.js';
import { isDockerArchive, loadDockerArchive } from './docker-archive.js';
import { isOciArchive, loadOciArchive } from './oci-archive.js';
import type { LoadedSource } from './source.js';
import type { SourceContext, Transport } from './transport.js';

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

/**
 * The image in an archive that came as a stream, in whichever format it is. Newer versions of `docker save` write both at once, where only the
 * OCI layout has the other platforms. Errors as `loadSource`, E_USAGE excepted.
 */
export async function loadStreamedImage(
  { archive, complete }: StreamedArchive,
  source: string,
  context: SourceContext,
): Promise<LoadedSource> {
  const asOci = () => loadOciArchive({ archive, source, transport: 'oci-archive' }, context);
  if (isDockerArchive(archive)) {
    const image = { archive, source, transport: 'docker-archive' };
    try {
      return await loadDockerArchive(image, context);
    } catch (error) {
      if (!isRundleError(error, 'E_PLATFORM') || !isOciArchive(archive)) throw error;
      return asOci();
    }
  }
  if (isOciArchive(archive)) return asOci();
  if (!complete) {
    throw new RundleError('E_FORMAT', `reading ${source}: the archive is cut off`, {
      hint: CUT_OFF,
    });
  }
  throw new RundleError(
    'E_SOURCE',
    `reading ${source}: the archive has neither manifest.json nor oci-layout, so there is no image in it`,
    { hint: `send an image, for example ${USE}; tar:FILE takes a file tree` },
  );
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
