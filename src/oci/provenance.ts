/** Recorded in the manifest so that a bundle says exactly what it was made from. */
export interface Provenance {
  /** Transport: `docker`, `oci`, `oci-archive`, `docker-archive`, `dir`, `tar`, `sqsh`, `sif`; a bundle made from a bundle keeps that one's. */
  transport: string;
  /** Reference inside the source (a tag or ref name), where there is one; never a local path. */
  reference?: string;
  /** Digest of the index that a registry gave for the reference, when the manifest was chosen from one. */
  indexDigest?: string;
  /** Digest of the image manifest, where the source has one. */
  manifestDigest?: string;
  /** Digest of the image config, where the source has one. */
  configDigest?: string;
  /** diffIDs of the layers, bottom first; for `tar:` the digest of the uncompressed archive, for `sqsh:` and `sif:` of the SquashFS image. */
  diffIds: string[];
}
