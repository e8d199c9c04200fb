import { execFileSync } from 'node:child_process';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Compressor } from '#rundle/decoder/decode.js';
import { loadDecoder } from '#rundle/decoder/decoder.js';
import { isRundleError } from '#rundle/errors.js';
import { noise, text } from '../squashfs/support/trees.js';

const LIMIT = 65_536;

function throughTool(content: Uint8Array, program: string, ...options: string[]): Buffer {
  return execFileSync(program, options, { input: content, maxBuffer: 1 << 26 });
}

function xz(content: Uint8Array, ...options: string[]): Buffer {
  return throughTool(content, 'xz', '-c', '-q', '-T1', '--check=crc32', ...options);
}

/** The only block of a frame that lz4(1) makes: behind its 7 bytes of header come the block's size and the block. */
function lz4(content: Uint8Array): Buffer {
  const frame = throughTool(content, 'lz4', '-q', '-c', '-9', '--no-frame-crc');
  const size = frame.readUInt32LE(7);
  return size < 0x8000_0000 ? frame.subarray(11, 11 + size) : literals(content);
}

/** One sequence without a match, which the program does not make of what it cannot compress. */
function literals(content: Uint8Array): Buffer {
  if (content.length < 15) return Buffer.from([content.length << 4, ...content]);
  const more = content.length - 15;
  const length = [...Array(Math.floor(more / 255)).fill(255), more % 255];
  return Buffer.concat([Buffer.from([0xf0, ...length]), content]);
}

/**
 * LZO1X blocks put together from the instructions of the format's description, because no program writes bare ones; what
 * mksquashfs compresses is decoded in test/squashfs/reader.
 */
const LZO_END = [0x11, 0, 0];
/** A run of literals, and the three bytes that are 2049 bytes before its end. */
const FAR = `${'k'.repeat(12)}xyz${'k'.repeat(3 + 15 + 8 * 255 + 3 - 15)}`;
const LZO: Record<string, [number[], string]> = {
  nothing: [LZO_END, ''],
  'literals that come first': [[17 + 5, ...Buffer.from('hello'), ...LZO_END], 'hello'],
  'a run of literals': [[2, ...Buffer.from('hello'), ...LZO_END], 'hello'],
  'a long run of literals': [
    [0, 0, 7, ...Buffer.alloc(280, 'x'), ...LZO_END],
    'x'.repeat(3 + 15 + 255 + 7),
  ],
  'two bytes from nearby after one literal': [
    [17 + 4, ...Buffer.from('abcd'), 0x40 | (3 << 2) | 1, 0, 0x7a, 0b0000, 0, ...LZO_END],
    'abcdabcz' + 'zz',
  ],
  'three bytes from afar after literals': [
    [0, ...Array(8).fill(0), 3, ...Buffer.from(FAR), 0b0000, 0, ...LZO_END],
    `${FAR}xyz`,
  ],
  'a match of 5 to 8 bytes': [
    [17 + 8, ...Buffer.from('abcdefgh'), 0x80 | (3 << 5) | (7 << 2), 0, ...LZO_END],
    'abcdefghabcdefgh',
  ],
  'a match of many bytes that overlaps itself': [
    [17 + 4, ...Buffer.from('abcd'), 0x20, 9, 3 << 2, 0, ...LZO_END],
    'abcd'.repeat(12).slice(0, 46),
  ],
};

const ENCODERS: Record<string, [Compressor, (content: Uint8Array) => Buffer]> = {
  gzip: ['gzip', (content) => deflateSync(content)],
  zstd: [
    'zstd',
    (content) =>
      throughTool(content, 'zstd', '-q', '-c', '--no-check', `--stream-size=${content.length}`),
  ],
  lz4: ['lz4', lz4],
  xz: ['xz', (content) => xz(content)],
  'xz with odd properties': ['xz', (content) => xz(content, '--lzma2=preset=1,lc=1,lp=3,pb=0')],
  'xz for x86': ['xz', (content) => xz(content, '--x86', '--lzma2')],
  'xz for arm': ['xz', (content) => xz(content, '--arm', '--lzma2')],
  'xz for thumb': ['xz', (content) => xz(content, '--armthumb', '--lzma2')],
  'xz for powerpc': ['xz', (content) => xz(content, '--powerpc', '--lzma2')],
};

const CONTENTS: Record<string, Uint8Array> = {
  text: text(50_000, 'text'),
  noise: noise(20_000, 'noise'),
  zeros: Buffer.alloc(LIMIT),
  'one byte': Buffer.from('x'),
  // What the filter for x86 takes for calls, one within the other.
  calls: noise(40_000, 'calls').map((byte) => [0xe8, 0xe9, 0, 0xff, byte][byte % 5] as number),
  program: execFileSync('head', ['-c', String(LIMIT), '/bin/dash']),
  'another program': execFileSync('head', ['-c', String(LIMIT), process.execPath]),
};

describe.each(Object.entries(ENCODERS))('%s', (_, [compressor, encode]) => {
  it.each(Object.entries(CONTENTS))('decodes %s', async (_, content) => {
    const decode = await loadDecoder(compressor);
    const stored = encode(content);
    expect(Buffer.from(decode(stored, LIMIT)).equals(content)).toBe(true);
    expect(Buffer.from(decode(stored, content.length)).equals(content)).toBe(true);
  });

  it('gives no more than asked for', async () => {
    const decode = await loadDecoder(compressor);
    for (const content of [text(50_000, 'text'), Buffer.alloc(LIMIT)]) {
      const stored = encode(content);
      expect(() => decode(stored, content.length - 1)).toThrow(
        expect.objectContaining({ code: 'E_FORMAT' }),
      );
    }
  });

  it('refuses what is cut off', async () => {
    const decode = await loadDecoder(compressor);
    const stored = encode(text(5000, 'cut'));
    for (let length = 0; length < stored.length - 28; length += 7) {
      const cut = stored.subarray(0, length);
      // A block of lz4 has no end of its own: it may end where a shorter one would.
      expect(outcome(() => decode(cut, LIMIT))).not.toBe(5000);
    }
  });

  it('gives something or refuses it when it is damaged', async () => {
    const decode = await loadDecoder(compressor);
    const stored = encode(text(3000, 'damaged'));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(stored.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const damaged = Buffer.from(stored);
          for (const [at, byte] of changes) damaged[at] = byte;
          outcome(() => decode(damaged, 4096));
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** The length of what was decoded, or why it was not; other failures go through. */
function outcome(action: () => Uint8Array): number | string {
  try {
    const { length } = action();
    expect(length).toBeLessThanOrEqual(LIMIT);
    return length;
  } catch (error) {
    if (!isRundleError(error)) throw error;
    return error.code;
  }
}

describe('lzo', () => {
  it.each(Object.entries(LZO))('decodes %s', async (_, [stored, content]) => {
    const decode = await loadDecoder('lzo');
    expect(Buffer.from(decode(Buffer.from(stored), LIMIT)).toString()).toBe(content);
    if (content === '') return;
    expect(() => decode(Buffer.from(stored), content.length - 1)).toThrow(/has more than/);
    expect(() => decode(Buffer.from(stored.slice(0, -1)), LIMIT)).toThrow(/has no end/);
    expect(() => decode(Buffer.from([...stored, 0]), LIMIT)).toThrow(/1 bytes follow its end/);
  });

  it.each([
    [
      'a match too far back',
      [17 + 4, 1, 2, 3, 4, 0x40, 1, ...LZO_END],
      /a match 9 bytes back after 4/,
    ],
    ['literals that are not there', [17 + 100, 1, 2], /ends within literals/],
    ['a length without an end', [0, ...Array(1000).fill(0)], /it has more than 65536 bytes/],
    ['nothing at all', [], /it has no end/],
  ])('refuses %s', async (_, stored, message) => {
    const decode = await loadDecoder('lzo');
    expect(() => decode(Buffer.from(stored as number[]), LIMIT)).toThrow(message as RegExp);
  });
});

describe('lz4', () => {
  it.each([
    ['a match too far back', [0x10, 65, 9, 0], /a match 9 bytes back after 1/],
    ['a distance of nothing', [0x10, 65, 0, 0], /a match 0 bytes back after 1/],
    ['literals that are not there', [0xf0, 10, 65], /ends within literals/],
    ['a length without an end', [0xf0, ...Array(1000).fill(255)], /has more than 65536 bytes/],
    ['nothing at all', [], /ends without literals/],
  ])('refuses %s', async (_, stored, message) => {
    const decode = await loadDecoder('lz4');
    expect(() => decode(Buffer.from(stored as number[]), LIMIT)).toThrow(message as RegExp);
  });
});

describe('xz', () => {
  it('notices content that was changed', async () => {
    const decode = await loadDecoder('xz');
    // Noise is stored in plain chunks: nothing but the CRC32 sees a change.
    const stored = xz(noise(1000, 'crc'));
    stored[200] = (stored[200] as number) ^ 1;
    expect(() => decode(stored, LIMIT)).toThrow(/its content has another CRC32/);
  });

  it('refuses filters that it does not have', async () => {
    const decode = await loadDecoder('xz');
    const stored = xz(Buffer.alloc(100), '--delta=dist=4', '--lzma2');
    expect(() => decode(stored, LIMIT)).toThrow(
      expect.objectContaining({ code: 'E_UNSUPPORTED', message: 'xz data with filter 0x3' }),
    );
  });
});

describe('zstd', () => {
  it('refuses a frame that does not state its size', async () => {
    const decode = await loadDecoder('zstd');
    const stored = throughTool(text(1000, 'x'), 'zstd', '-q', '-c', '--no-content-size');
    expect(() => decode(stored, LIMIT)).toThrow(expect.objectContaining({ code: 'E_UNSUPPORTED' }));
  });
});
