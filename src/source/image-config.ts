import { readBlob } from '../blob/blob-reader.js';
import type { BlobStore } from '../blob/blob-store.js';
import { RundleError } from '../errors.js';
import { type ParsedConfig, parseConfig } from '../oci/config.js';
import { MAX_DOCUMENT_SIZE, type Manifest } from '../oci/document.js';
import { isImageConfig } from '../oci/media-type.js';
import { missingPlatform, type Platform, platformRank } from '../oci/platform.js';

/** The config that a manifest names. Throws E_UNSUPPORTED when the manifest is not of a container image. */
export async function readConfig(
  store: BlobStore,
  { config }: Manifest,
  source: string,
): Promise<ParsedConfig> {
  if (config.mediaType !== '' && !isImageConfig(config.mediaType)) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `reading ${source}: it is not a container image: its config is of type ${config.mediaType}`,
    );
  }
  const where = `reading the config of ${source}`;
  const file = await store.locate(config.digest, where, { kind: 'config', size: config.size });
  return parseConfig(await readBlob(file, config, MAX_DOCUMENT_SIZE, where), where);
}

/** Throws E_PLATFORM when a platform was asked for and the only image there is was built for another. */
export function checkPlatform(
  { config }: ParsedConfig,
  wanted: Platform | undefined,
  source: string,
): void {
  if (wanted === undefined || platformRank(config, wanted) !== undefined) return;
  throw missingPlatform([config], wanted, source);
}
