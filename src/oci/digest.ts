import { createHash, type Hash } from 'node:crypto';
import { RundleError } from '../errors.js';

/**
 * `algorithm:hex`, checked: it can be put into a file name as it is. OCI image spec, descriptor.md,
 * "Digests"; the two registered algorithms.
 */
export type Digest = string & { readonly __digest: unique symbol };

export type DigestAlgorithm = 'sha256' | 'sha512';

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** True for a well-formed digest of an algorithm that can be verified here. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** `text` as a Digest; `where` begins the message. Throws E_FORMAT. */
export function parseDigest(text: string, where: string): Digest {
  if (isDigest(text)) return text;
  throw new RundleError(
    'E_FORMAT',
    `${where}: ${JSON.stringify(text.slice(0, 160))} is not a digest`,
    { hint: 'a digest is "sha256:" and 64, or "sha512:" and 128, lower-case hex digits' },
  );
}

/** The algorithm named by a digest. */
export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

/** The part behind the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** A hash that will give a digest of the same algorithm. */
export function hashFor(algorithm: DigestAlgorithm): Hash {
  return createHash(algorithm);
}

/** The digest that `hash` has arrived at. */
export function digestOfHash(hash: Hash, algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${hash.digest('hex')}` as Digest;
}

/** The digest of bytes at hand. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return digestOfHash(hashFor(algorithm).update(bytes), algorithm);
}
