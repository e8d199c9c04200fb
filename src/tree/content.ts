import { open } from 'node:fs/promises';
import { RundleError } from '../errors.js';
import type { RegularFile } from './node.js';

/**
 * Up to `length` bytes of `file` from `offset`, fewer at its end; holes read as zeros. For the small parts
 * that the main thread looks at itself, such as an ELF header.
 *
 * Throws E_SOURCE when the bytes are no longer where the tree says.
 */
export async function readContent(
  file: RegularFile,
  offset: number,
  length: number,
): Promise<Buffer> {
  const end = Math.min(file.size, offset + length);
  const bytes = Buffer.alloc(Math.max(0, end - offset));
  for (const extent of file.extents) {
    const from = Math.max(offset, extent.at);
    const to = Math.min(end, extent.at + extent.length);
    if (from >= to) continue;
    const part = bytes.subarray(from - offset, to - offset);
    const position = extent.offset + (from - extent.at);
    if (extent.data.kind === 'memory') {
      part.set(extent.data.bytes.subarray(position, position + part.length));
      continue;
    }
    const path = extent.data.path;
    const handle = await open(typeof path === 'string' ? path : Buffer.from(path), 'r');
    try {
      const { bytesRead } = await handle.read(part, 0, part.length, position);
      if (bytesRead !== part.length) {
        throw new RundleError('E_SOURCE', `reading ${String(path)}: it became shorter meanwhile`);
      }
    } finally {
      await handle.close();
    }
  }
  return bytes;
}
