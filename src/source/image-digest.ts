import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { type FileRange, openFile, systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import type { SourceContext } from './transport.js';

const CHUNK = 1024 * 1024;

/**
 * The SHA-256 (hex) of a part of a file. `where` begins messages. Throws E_SOURCE when it cannot be read, E_FORMAT when the file ends before.
 */
export async function digestOf(
  range: FileRange,
  context: SourceContext,
  where: string,
): Promise<string> {
  const { handle } = await openFile(range.path, where);
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK);
  const name = basename(range.path);
  try {
    for (let done = 0; done < range.size; ) {
      const length = Math.min(CHUNK, range.size - done);
      const { bytesRead } = await handle.read(chunk, 0, length, range.offset + done);
      if (bytesRead === 0) {
        throw new RundleError('E_FORMAT', `${where}: it ends after ${range.offset + done} bytes`);
      }
      hash.update(chunk.subarray(0, bytesRead));
      done += bytesRead;
      context.onProgress?.({ phase: 'verify', name, done, total: range.size });
    }
  } catch (cause) {
    if (cause instanceof RundleError) throw cause;
    throw new RundleError('E_SOURCE', `${where}: reading it: ${systemReason(cause)}`, { cause });
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}
