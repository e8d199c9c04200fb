import type { FileRange } from '../blob/file-range.js';
import type { Digest } from '../oci/digest.js';
import type { Reference } from './reference.js';

/**
 * What a pull takes from its surroundings. Each part can be replaced by another; none of them is looked up by the client itself.
 */
export interface RegistryAccess {
  credentials: CredentialSource;
  mirrors: MirrorSource;
  /** Where blobs are kept between builds; without it they go to the spool directory and are gone with it. */
  cache?: BlobCache | undefined;
  /** Certificates in PEM that are trusted besides the system's own, each with one or more certificates. */
  certificates: readonly string[];
  /** Plain HTTP, and TLS whose certificate cannot be verified, are accepted from every host. */
  insecure: boolean;
  /** `HTTPS_PROXY`, `NO_PROXY`, `SSL_CERT_FILE` and the like. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Other times than the usual ones. */
  patience?: Partial<Patience> | undefined;
}

/** How long is waited for what, and how often it is tried. Times in milliseconds. */
export interface Patience {
  /** For a connection, TLS included. */
  connect: number;
  /** For the head of an answer. */
  headers: number;
  /** For the next bytes of a body. */
  stall: number;
  /** How often a request is made at most when it fails for a reason that may pass. */
  attempts: number;
  /** The wait before the second attempt; it doubles each time. */
  firstWait: number;
  /** No wait is longer, whatever `Retry-After` says: the pull fails then, with the time in the message. */
  longestWait: number;
}

/** How one host is told who asks. Never printed. */
export type Credentials =
  | { username: string; password: string }
  /** An OAuth2 refresh token, as `docker login` keeps it for some registries. */
  | { identityToken: string }
  /** A token that is sent to the registry as it is. */
  | { registryToken: string };

/**
 * The credentials for a repository of a host, undefined when there are none. `host` is `HOST[:PORT]` as it stands in a reference after
 * normalisation: Docker Hub is `docker.io`. `repository` is the full path (`library/ubuntu`). `username`: only credentials of that user, when
 * the reference names one (`docker://USER@HOST#NAME`). Asked at most once for each host and repository of a pull, and only after the host has
 * asked for credentials. May throw E_USAGE and E_AUTH, for example when a credential helper fails.
 */
export type CredentialSource = (
  host: string,
  repository: string,
  username?: string,
) => Promise<Credentials | undefined>;

/** A place where a repository can be pulled from. */
export interface Endpoint {
  /** `HOST[:PORT]`; `docker.io` for Docker Hub. */
  host: string;
  /** The repository's full path there, which a mirror may have changed. */
  repository: string;
  /** As `RegistryAccess.insecure`, for this host. */
  insecure: boolean;
}

/**
 * Where a reference is looked for, in this order; the first that has it gives it, and what a mirror does not have is asked from the next.
 * The last one is the origin, unless the configuration moves or blocks it. Mirrors that serve only digests, or only tags, are left out by
 * the source where they do not apply. Throws E_USAGE for a host that may not be used, E_FORMAT for a malformed configuration.
 */
export type MirrorSource = (reference: Reference) => Promise<readonly Endpoint[]>;

/**
 * Where verified blobs are kept by their digest: layers, configs, manifests and indexes alike. The client verifies
 * digest and size of all it writes, and whoever reads a blob verifies it again.
 */
export interface BlobCache {
  /** A complete blob; undefined when there is none, or it has not `size` bytes. */
  find(digest: Digest, size: number | undefined): Promise<FileRange | undefined>;
  /**
   * The place to write a blob to, with what an earlier download has left there; or the blob itself, when somebody else has completed it
   * meanwhile. One writer at a time for each place: it may wait for another process that is writing the same blob. Throws E_OUTPUT, and
   * the reason of `signal` when it is aborted.
   */
  begin(
    digest: Digest,
    size: number | undefined,
    signal?: AbortSignal,
  ): Promise<PartialBlob | FileRange>;
  /** A blob that `find` gave turned out not to be what its name says: it must not be found again. Never throws. */
  reject(digest: Digest): Promise<void>;
}

/** A blob on its way in. Exactly one of `complete`, `keep` and `discard` is called at the end, after which it is closed. */
export interface PartialBlob {
  /** The file, readable while it is written: bytes 0 to `size` are what is there. */
  readonly path: string;
  readonly size: number;
  /** Appends. Throws E_OUTPUT, with a hint when the disk is full. */
  write(chunk: Uint8Array): Promise<void>;
  /** Empties it: what was there is wrong, or the server cannot go on where it stopped. Throws E_OUTPUT. */
  restart(): Promise<void>;
  /** The bytes are verified: makes the blob visible, at once or not at all, and gives its place. Throws E_OUTPUT. */
  complete(): Promise<FileRange>;
  /** The download failed, and the next one may go on from here. Never throws. */
  keep(): Promise<void>;
  /** The bytes are worthless. Never throws. */
  discard(): Promise<void>;
}

/** Registries as everybody may use them: no credentials, no mirrors, nothing is kept. */
export function anonymousAccess(environment: RegistryAccess['environment']): RegistryAccess {
  return {
    credentials: async () => undefined,
    mirrors: originOnly,
    certificates: [],
    insecure: false,
    environment,
  };
}

/** Every reference is pulled from the host it names. */
export const originOnly: MirrorSource = async ({ host, repository }) => [
  { host, repository, insecure: false },
];
