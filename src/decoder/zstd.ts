import { createRequire } from 'node:module';
import { RundleError, reasonOf } from '../errors.js';
import { damagedData } from './damage.js';
import type { Decode } from './decode.js';

/** The part of zstd-codec that is used; the package has no types of its own. */
interface ZstdModule {
  ZstdCodec: { run(ready: (zstd: { Simple: new () => SimpleCodec }) => void): void };
}
interface SimpleCodec {
  decompress(bytes: Uint8Array): Uint8Array | null;
}

const MAGIC = 0xfd2f_b528;

/** Loads the decoder of single zstd frames (RFC 8878) that state their content size, as all SquashFS writers make them. */
export async function loadZstdDecoder(): Promise<Decode> {
  const { ZstdCodec } = createRequire(import.meta.url)('zstd-codec') as ZstdModule;
  const simple = await new Promise<SimpleCodec>((resolve) => {
    ZstdCodec.run((zstd) => resolve(new zstd.Simple()));
  });
  return (stored, limit) => {
    const size = zstdContentSize(stored);
    if (size === undefined) {
      throw new RundleError('E_UNSUPPORTED', 'a zstd frame that does not state its content size');
    }
    if (size > limit) throw damagedData('zstd', `it has ${size} bytes, not at most ${limit}`);
    let content: Uint8Array | null;
    try {
      content = simple.decompress(stored);
    } catch (error) {
      throw damagedData('zstd', reasonOf(error));
    }
    if (content === null) throw damagedData('zstd', 'it cannot be decoded');
    return content;
  };
}

/**
 * The content size in bytes that a zstd frame's header states (RFC 8878, 3.1.1.1); undefined when it states none. Throws
 * E_FORMAT for what is no frame.
 */
export function zstdContentSize(frame: Uint8Array): number | undefined {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, Math.min(frame.length, 18));
  if (bytes.length < 6 || bytes.readUInt32LE(0) !== MAGIC) {
    throw damagedData('zstd', 'it does not begin with a frame');
  }
  const descriptor = bytes[4] as number;
  const single = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number;
  const at = 5 + (single ? 0 : 1) + dictionary;
  const width = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  if (width === 0) return undefined;
  if (at + width > bytes.length) throw damagedData('zstd', 'it ends within its header');
  if (width === 8) return Number(bytes.readBigUInt64LE(at));
  return bytes.readUIntLE(at, width) + (width === 2 ? 256 : 0);
}
