import { Arrival } from '../blob/arrival.js';
import type { BlobStore } from '../blob/blob-store.js';
import { RundleError } from '../errors.js';
import type { ParsedConfig } from '../oci/config.js';
import type { Descriptor, Manifest } from '../oci/document.js';
import { layerKind } from '../oci/media-type.js';
import { checkPlatform, readConfig } from './image-config.js';
import { type LayerFile, mergeLayers } from './layers.js';
import { resolveManifest } from './manifest.js';
import type { LoadedSource } from './source.js';
import type { SourceContext } from './transport.js';

/** An image whose blobs are in a store: everything that is the same wherever it comes from. */
export interface StoredImage {
  store: BlobStore;
  /** Descriptors of the same image for different platforms, or one of an index or manifest. */
  candidates: readonly Descriptor[];
  /** The source as the user wrote it, for messages. */
  source: string;
  transport: string;
  reference?: string | undefined;
}

/**
 * Chooses the manifest for the platform, reads the config, and merges the layers. Errors as `loadSource`, E_USAGE excepted.
 */
export async function loadImage(image: StoredImage, context: SourceContext): Promise<LoadedSource> {
  const { store, source, transport, reference } = image;
  const where = `reading ${source}`;
  const { descriptor, manifest, alone } = await resolveManifest(
    store,
    image.candidates,
    context.platform,
    source,
  );
  const parsed = await readConfig(store, manifest, source);
  if (alone) checkPlatform(parsed, context.platform, source);
  const layers = locateLayers(store, manifest, parsed, where);
  const { root, omissions, diffIds } = await mergeLayers(layers, true, context);
  const provenance = {
    transport,
    ...(reference !== undefined && { reference }),
    manifestDigest: descriptor.digest,
    configDigest: manifest.config.digest,
    diffIds,
  };
  return { root, config: parsed.config, provenance, omissions };
}

/** Starts to locate all layers; which of them can be used is known before. */
function locateLayers(
  store: BlobStore,
  manifest: Manifest,
  { diffIds }: ParsedConfig,
  where: string,
): LayerFile[] {
  const { layers } = manifest;
  if (layers.length !== diffIds.length) {
    throw new RundleError(
      'E_FORMAT',
      `${where}: the manifest has ${layers.length} layers, the config ${diffIds.length} diffIDs`,
    );
  }
  const names = layers.map(({ digest }, index) => {
    return `${where}: layer ${index + 1} of ${layers.length} (${digest})`;
  });
  for (const [index, { mediaType }] of layers.entries()) {
    refuseUnusable(mediaType, names[index] ?? where);
  }
  return layers.map(({ digest, size }, index) => {
    const arrival = new Arrival();
    const file = store.locate(digest, names[index] ?? where, { kind: 'layer', size, arrival });
    // Who waits for it may have failed on another one before.
    file.catch(() => undefined);
    return { file, arrival, digest, size, diffId: diffIds[index], label: digest };
  });
}

function refuseUnusable(mediaType: string, layer: string): void {
  switch (mediaType === '' ? 'tar' : layerKind(mediaType)) {
    case 'tar':
      return;
    case 'encrypted':
      throw new RundleError('E_UNSUPPORTED', `${layer} is encrypted`, {
        hint: 'decrypt the image first: skopeo copy --decryption-key KEY ...',
      });
    case 'foreign':
      throw new RundleError('E_UNSUPPORTED', `${layer} is foreign: it may not be distributed`, {
        hint: 'make the image anew from a base whose layers are its own',
      });
    default:
      throw new RundleError('E_UNSUPPORTED', `${layer} is of the unknown type ${mediaType}`);
  }
}
