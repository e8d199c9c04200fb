import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { detectCompression } from '#rundle/layer/compression.js';
import { gunzip } from '#rundle/layer/gzip.js';
import { unzstd } from '#rundle/layer/zstd.js';
import { ZstdFrames } from '#rundle/layer/zstd-frames.js';

type Decoder = typeof gunzip;

/** What `decoder` makes of `input`, given in pieces of `step` bytes. */
async function decode(decoder: Decoder, input: Buffer, step = 65_536): Promise<Buffer> {
  const output: Buffer[] = [];
  let at = 0;
  const read = async () => {
    const chunk = input.subarray(at, at + step);
    at += step;
    return chunk.length === 0 ? undefined : chunk;
  };
  await decoder(read, (chunk) => output.push(Buffer.from(chunk)), 'reading x');
  return Buffer.concat(output);
}

function zstd(input: Buffer, ...options: string[]): Buffer {
  return execFileSync('zstd', ['-q', '-c', ...options], { input, maxBuffer: 2 ** 30 });
}

const noise = randomBytes(300_000);
const zeros = Buffer.alloc(400_000);
const both = Buffer.concat([noise, zeros]);

test('compressions are told apart by content', () => {
  expect(detectCompression(gzipSync(noise), 'x')).toBe('gzip');
  expect(detectCompression(zstd(noise), 'x')).toBe('zstd');
  expect(detectCompression(Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 0]), 'x')).toBe('zstd');
  expect(detectCompression(Buffer.from('usr/bin/'), 'x')).toBe('none');
  expect(detectCompression(Buffer.alloc(0), 'x')).toBe('none');
  const xz = execFileSync('xz', ['-c'], { input: noise });
  expect(() => detectCompression(xz, 'reading x')).toThrow(/reading x: it is compressed with xz/);
});

describe('gzip', () => {
  const members = Buffer.concat([gzipSync(noise), gzipSync(Buffer.alloc(0)), gzipSync(zeros)]);

  test.each([50, 4096, 1_000_000])('several members, read %i bytes at a time', async (step) => {
    expect((await decode(gunzip, members, step)).equals(both)).toBe(true);
    const padded = Buffer.concat([members, Buffer.alloc(1000)]);
    expect((await decode(gunzip, padded, step)).equals(both)).toBe(true);
  });

  test.each([1000, 1_000_000])('damage, read %i bytes at a time', async (step) => {
    const cut = [members.subarray(0, -1), members.subarray(0, 1000), members.subarray(0, 5)];
    for (const input of cut) await expect(decode(gunzip, input, step)).rejects.toThrow(/cut off/);
    const tails = ['garbage', '\0\0garbage', '\x1f\x8bno'];
    for (const tail of tails) {
      const input = Buffer.concat([members, Buffer.from(tail, 'latin1')]);
      await expect(decode(gunzip, input, step)).rejects.toThrow(/x: (other bytes|the gzip data)/);
    }
    const flipped = Buffer.from(members);
    flipped.writeUInt8(flipped.readUInt8(1000) ^ 1, 1000);
    await expect(decode(gunzip, flipped, step)).rejects.toThrow(/damaged/);
  });
});

describe('zstd', () => {
  const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const empty = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  const frames = Buffer.concat([
    skippable,
    zstd(noise),
    zstd(Buffer.alloc(0)),
    empty,
    zstd(zeros, '--no-check'),
    skippable,
  ]);

  test.each([1, 7, 4096, 1_000_000])('several frames, read %i bytes at a time', async (step) => {
    expect((await decode(unzstd, frames, step)).equals(both)).toBe(true);
  });

  test('levels and windows, the largest beyond the memory of the WebAssembly decoder', async () => {
    const large = Buffer.concat([noise, Buffer.alloc(18_000_000), noise]);
    for (const options of [['-1'], ['-19'], ['--ultra', '-22', '--long=27'], ['--long=24']]) {
      const output = await decode(unzstd, zstd(large, ...options));
      expect(output.equals(large), options.join(' ')).toBe(true);
    }
    const mixed = Buffer.concat([zstd(noise), zstd(large, '--long=26'), zstd(noise)]);
    expect((await decode(unzstd, mixed)).length).toBe(large.length + 2 * noise.length);
  });

  test('the window of a frame of known size is its content', () => {
    for (const size of [5, 255, 256, 300, 65_791, 65_792, 300_000]) {
      const frame = zstd(noise.subarray(0, size), `--stream-size=${size}`);
      const [start] = new ZstdFrames('x').walk(frame);
      expect(start).toEqual({ window: size });
    }
  });

  test('a window over 128 MiB and a dictionary are refused', async () => {
    const window = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x90, 0x01, 0x00, 0x00]);
    await expect(decode(unzstd, window)).rejects.toThrow(/a window of 268435456 bytes/);
    const dictionary = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x00, 0x07, 0x01, 0x00, 0x00]);
    await expect(decode(unzstd, dictionary)).rejects.toThrow(/dictionary/);
  });

  test('a small block of one repeated byte may stand for much without much memory', async () => {
    // 400 frames of one block each: 4 bytes that stand for 128 KiB.
    const block = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x03, 0x00, 0x10, 0x61]);
    let length = 0;
    let largest = 0;
    let given = false;
    const input = Buffer.concat(Array.from({ length: 400 }, () => block));
    const read = async () => {
      const chunk = given ? undefined : input;
      given = true;
      return chunk;
    };
    const sink = (chunk: Buffer) => {
      length += chunk.length;
      largest = Math.max(largest, chunk.length);
    };
    await unzstd(read, sink, 'reading x');
    expect(length).toBe(400 * 131_072);
    expect(largest).toBeLessThanOrEqual(131_072);
  });

  test.each([3, 1_000_000])('damage, read %i bytes at a time', async (step) => {
    const frame = zstd(noise);
    for (const length of [2, 5, 9, 1000, frame.length - 1]) {
      await expect(decode(unzstd, frame.subarray(0, length), step)).rejects.toThrow(/cut off/);
    }
    const tail = Buffer.concat([frame, Buffer.from('garbage')]);
    await expect(decode(unzstd, tail, step)).rejects.toThrow(/other bytes follow/);
    const flipped = Buffer.from(frame);
    flipped.writeUInt8(flipped.readUInt8(1000) ^ 1, 1000);
    await expect(decode(unzstd, flipped, step)).rejects.toThrow(/damaged/);
  });

  test('an error of the receiver comes through as it is', async () => {
    const failing = () => {
      throw new Error('disk full');
    };
    const once = (input: Buffer) => {
      const inputs = [input];
      return async () => inputs.pop();
    };
    await expect(unzstd(once(zstd(both)), failing, 'x')).rejects.toThrow('disk full');
    await expect(gunzip(once(gzipSync(both)), failing, 'x')).rejects.toThrow('disk full');
  });
});
