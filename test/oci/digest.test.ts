import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blobPath } from '#rundle/blob/blob-store.js';
import { algorithmOf, digestOf, hexOf, isDigest, parseDigest } from '#rundle/oci/digest.js';

const hex = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

test('the digests of "abc"', () => {
  expect(digestOf(Buffer.from('abc'))).toBe(`sha256:${hex}`);
  const long = digestOf(Buffer.from('abc'), 'sha512');
  expect(long).toMatch(/^sha512:ddaf35a193617aba.{112}$/);
  expect(algorithmOf(long)).toBe('sha512');
  expect(hexOf(long)).toHaveLength(128);
});

test.each([
  hex,
  `sha256:${hex.toUpperCase()}`,
  `sha256:${hex}0`,
  `sha256:${hex.slice(1)}`,
  `sha512:${hex}`,
  `md5:${hex.slice(32)}`,
  `sha256:${hex}\n`,
  `sha256:../${hex.slice(3)}`,
  '',
])('refused: %j', (text) => {
  expect(isDigest(text)).toBe(false);
  expect(() => parseDigest(text, 'reading x')).toThrow(/reading x: .* is not a digest/);
});

test('no text becomes a path out of the blob directory', () => {
  const part = fc.constantFrom('sha256:', 'sha512:', '..', '/', hex, '\0', 'a');
  fc.assert(
    fc.property(
      fc.array(part).map((parts) => parts.join('')),
      (text) => {
        if (isDigest(text)) expect(blobPath(text)).toMatch(/^blobs\/sha(256|512)\/[0-9a-f]+$/);
      },
    ),
  );
});
