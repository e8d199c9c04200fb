import { createCipheriv, createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs';

const filesPerDirectory = 100;

/**
 * Writes a tar file to `output`: `files` files of together `bytes` bytes that nothing can compress, in directories of
 * a hundred, and behind them all that the tar file `base` holds. The same bytes every time.
 */
export async function writeLargeTar(output, base, { files, bytes }) {
  const length = Math.floor(bytes / files);
  const padding = Buffer.alloc((512 - (length % 512)) % 512);
  const random = randomBytes('tree');
  const file = openSync(output, 'w');
  try {
    for (let first = 0; first < files; first += filesPerDirectory) {
      const directory = `opt/generated/${String(first / filesPerDirectory).padStart(5, '0')}`;
      const parts = [tarHeader(`${directory}/`, '5', 0)];
      for (let index = first; index < Math.min(first + filesPerDirectory, files); index++) {
        const name = `${directory}/${createHash('sha1').update(String(index)).digest('hex').slice(0, 12)}`;
        parts.push(tarHeader(name, '0', length), random(length), padding);
      }
      writeAll(file, Buffer.concat(parts));
    }
    for await (const part of createReadStream(base, { highWaterMark: 1 << 20 })) {
      writeAll(file, part);
    }
  } finally {
    closeSync(file);
  }
}

/** A ustar header (POSIX.1-2024, pax, "ustar Interchange Format"). */
export function tarHeader(name, type, size) {
  const header = Buffer.alloc(512);
  const octal = (value, length) => `${value.toString(8).padStart(length - 1, '0')}\0`;
  header.write(name, 0);
  header.write(octal(type === '5' ? 0o755 : 0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(1_700_000_000, 12), 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** A source of bytes that look random and are the same every time. */
export function randomBytes(seed) {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return (length) => cipher.update(Buffer.alloc(length));
}

/**
 * Writes `bytes` bytes to `output` that zstd compresses to about half: as in programs and tables of numbers, short
 * copies of what came within the last 32 KiB take turns with bytes of some entropy. One segment is repeated, at a distance
 * that no block reaches across.
 */
export function writeCompressibleFile(output, bytes) {
  const segment = compressibleSegment(Math.min(bytes, 64 << 20));
  const file = openSync(output, 'w');
  try {
    for (let written = 0; written < bytes; written += segment.length) {
      writeAll(file, segment.subarray(0, Math.min(segment.length, bytes - written)));
    }
  } finally {
    closeSync(file);
  }
}

function compressibleSegment(length) {
  const segment = randomBytes('file')(length);
  const window = 32 << 10;
  for (let at = window; at + 64 < length; ) {
    // The random bytes that are about to be written over say how long and how far.
    const literals = 4 + (segment[at] & 15);
    const copied = 4 + (segment[at + 1] & 31);
    const distance = 64 + (segment.readUInt16LE(at + 2) & (window / 2 - 1));
    for (let index = 0; index < literals; index++) {
      segment[at + index] &= 0x7f;
    }
    segment.copyWithin(at + literals, at + literals - distance, at + literals - distance + copied);
    at += literals + copied;
  }
  return segment;
}

function writeAll(file, bytes) {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(file, bytes, written);
  }
}
