import type { Digest } from '../oci/digest.js';

/** An image in a registry, after Docker's rules for short names were applied. */
export interface Reference {
  /** `HOST[:PORT]`, in lower case; `docker.io` for Docker Hub. */
  host: string;
  /** The repository's full path: `library/ubuntu`. */
  repository: string;
  /** Undefined only when there is a digest. */
  tag?: string;
  /** Pins the manifest or index. */
  digest?: Digest;
  /** Whose credentials are to be used. */
  username?: string;
}
