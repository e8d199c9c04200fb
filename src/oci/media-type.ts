/**
 * The media types of images: OCI image spec 1.1, media-types.md, and Docker's "Image Manifest Version 2,
 * Schema 2", which the spec names as compatible.
 */
export type DocumentKind = 'manifest' | 'index';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';

const DOCUMENTS: ReadonlyMap<string, DocumentKind> = new Map([
  [OCI_MANIFEST, 'manifest'],
  [DOCKER_MANIFEST, 'manifest'],
  [OCI_INDEX, 'index'],
  [DOCKER_MANIFEST_LIST, 'index'],
]);

/** What a document of this media type is; undefined for every type that is neither. */
export function documentKind(mediaType: string): DocumentKind | undefined {
  return DOCUMENTS.get(bare(mediaType));
}

/** True for Docker's signed and unsigned schema 1 manifests, which carry no usable config. */
export function isSchema1(mediaType: string): boolean {
  return /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/.test(
    bare(mediaType),
  );
}

/** True for the config of a container image, false for artifacts such as charts and signatures. */
export function isImageConfig(mediaType: string): boolean {
  return bare(mediaType) === OCI_CONFIG || bare(mediaType) === DOCKER_CONFIG;
}

/**
 * What can be done with a layer of this media type. The compression a type names is not looked at: it is
 * recognised by content. `foreign` layers lie elsewhere by their licence, `encrypted` ones need a key.
 */
export function layerKind(mediaType: string): 'tar' | 'foreign' | 'encrypted' | 'unknown' {
  const type = bare(mediaType);
  if (type.endsWith('+encrypted')) return 'encrypted';
  if (
    type.startsWith('application/vnd.oci.image.layer.nondistributable.v1.tar') ||
    type.startsWith('application/vnd.docker.image.rootfs.foreign.diff.tar')
  ) {
    return 'foreign';
  }
  return TAR_LAYER.test(type) ? 'tar' : 'unknown';
}

const TAR_LAYER =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.diff\.tar(?:[.+](?:gzip|zstd))?)$/;

/** Without parameters, in lower case (RFC 6838: type names are case-insensitive). */
function bare(mediaType: string): string {
  return (mediaType.split(';')[0] ?? '').trim().toLowerCase();
}
