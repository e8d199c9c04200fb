import { open } from 'node:fs/promises';
import { loadDecoder } from '../decoder/decoder.js';
import { RundleError } from '../errors.js';
import type { ByteRange, LayerContents, LayerSpool } from './layer-contents.js';
import type { BlockImage, Extent, RegularFile, StoredBlock } from './node.js';
import { DecodedBlocks, decodeBlock } from './stored-block.js';

/** Decoded blocks of an image that are kept between calls, in bytes: several small parts of one file are looked at. */
const DECODED = 8 * 1024 * 1024;
const decoded = new WeakMap<BlockImage, DecodedBlocks>();

/** A file is fetched as a whole up to this size, in bytes; of a larger one beginning and end, where the tables of a program are. */
const WHOLE = 8 * 1024 * 1024;
const MARGIN = 2 * 1024 * 1024;
/** Together, in bytes. What does not fit is fetched when it is read. */
const FETCHED = 64 * 1024 * 1024;

/**
 * Says which files `readContent` will be asked for next: those in layers that are not on disk are fetched together. Errors as `readContent`.
 */
export async function fetchContent(files: Iterable<RegularFile>): Promise<void> {
  const spools = new Map<LayerSpool, Map<LayerContents, ByteRange[]>>();
  let room = FETCHED;
  for (const { extents } of files) {
    for (const { data, offset, length } of extents) {
      if (data.kind !== 'layer') continue;
      const { layer } = data;
      const to = offset + length;
      const wanted =
        length <= WHOLE
          ? [{ from: offset, to }]
          : [
              { from: offset, to: offset + MARGIN },
              { from: to - MARGIN, to },
            ];
      const bytes = length <= WHOLE ? length : 2 * MARGIN;
      if (bytes > room) continue;
      room -= bytes;
      const parts = spools.get(layer.spool) ?? new Map<LayerContents, ByteRange[]>();
      spools.set(layer.spool, parts);
      const ranges = parts.get(layer) ?? [];
      ranges.push(...wanted);
      parts.set(layer, ranges);
    }
  }
  for (const [spool, parts] of spools) await spool.fetch(parts);
}

/**
 * Up to `length` bytes of `file` from `offset`, fewer at its end; holes read as zeros. For the small parts
 * that the main thread looks at itself, such as an ELF header.
 *
 * Throws E_SOURCE when the bytes are no longer where the tree says, E_FORMAT and E_UNSUPPORTED for a block of an image that cannot be decoded.
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
    await readPart(extent, extent.offset + (from - extent.at), part);
  }
  return bytes;
}

/** Takes what `file` has in layers into memory, so that it can be packed whatever layer is on disk. Errors as `readContent`. */
export async function holdContent(file: RegularFile): Promise<void> {
  const held: Extent[] = [];
  for (const extent of file.extents) {
    const { at, length, data, offset } = extent;
    if (data.kind !== 'layer') {
      held.push(extent);
      continue;
    }
    const bytes = Buffer.alloc(length);
    await data.layer.spool.read(data.layer, offset, bytes);
    held.push({ at, length, data: { kind: 'memory', bytes }, offset: 0 });
  }
  file.extents = held;
}

async function readPart({ data }: Extent, position: number, part: Buffer): Promise<void> {
  if (data.kind === 'file') return readFilePart(data.path, position, part);
  if (data.kind === 'layer') return data.layer.spool.read(data.layer, position, part);
  const all = data.kind === 'memory' ? data.bytes : await contentOf(data);
  if (position + part.length > all.length) {
    throw new RundleError('E_FORMAT', `reading a file's content: only ${all.length} bytes there`);
  }
  part.set(all.subarray(position, position + part.length));
}

async function contentOf(block: StoredBlock): Promise<Uint8Array> {
  const kept = decoded.get(block.image) ?? new DecodedBlocks(DECODED);
  decoded.set(block.image, kept);
  const known = kept.get(block);
  if (known !== undefined) return known;
  const stored = Buffer.alloc(block.stored);
  await readFilePart(block.image.path, block.position, stored);
  const content = decodeBlock(block, stored, await loadDecoder(block.image.compressor));
  kept.add(block, content);
  return content;
}

async function readFilePart(
  path: string | Uint8Array,
  position: number,
  part: Buffer,
): Promise<void> {
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
