import type { ImageConfig } from '../oci/config.js';
import type { Directory, Omission } from '../tree/node.js';

/** What a bundle is made from, opened: the merged tree, the image's config, and where it came from. */
export interface LoadedSource {
  /** The merged tree, before overrides. */
  root: Directory;
  /** The image config; an empty one for `dir:` and `tar:`. */
  config: ImageConfig;
  provenance: Provenance;
  /** What layers held that a payload cannot. */
  omissions: Omission[];
}

/** Recorded in the manifest so that a bundle says exactly what it was made from. */
export interface Provenance {
  /** Transport: `docker`, `oci`, `oci-archive`, `docker-archive`, `dir`, `tar`. */
  transport: string;
  /** Reference inside the source (a tag or ref name), where there is one; never a local path. */
  reference?: string;
  /** Digest of the index that a registry gave for the reference, when the manifest was chosen from one. */
  indexDigest?: string;
  /** Digest of the image manifest, where the source has one. */
  manifestDigest?: string;
  /** Digest of the image config, where the source has one. */
  configDigest?: string;
  /** diffIDs of the layers, bottom first; for `tar:` the digest of the uncompressed archive. */
  diffIds: string[];
}
