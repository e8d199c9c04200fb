import { readBlob } from '../blob/blob-reader.js';
import type { BlobStore } from '../blob/blob-store.js';
import { RundleError } from '../errors.js';
import {
  type Descriptor,
  type ImageDocument,
  MAX_DOCUMENT_SIZE,
  type Manifest,
  parseDocument,
} from '../oci/document.js';
import { documentKind, isSchema1 } from '../oci/media-type.js';
import { choosePlatform, hostPlatform, type Platform } from '../oci/platform.js';
import { readConfig } from './image-config.js';

/** Indexes within indexes, and documents in all: more is an attack, not an image. */
const MAX_DEPTH = 8;
const MAX_DOCUMENTS = 256;

/** The manifest of the image that was chosen. */
export interface ResolvedManifest {
  descriptor: Descriptor;
  manifest: Manifest;
  /** True when there was no index, so that nothing has looked at the platform yet. */
  alone: boolean;
}

interface Offer {
  descriptor: Descriptor;
  platform: Platform;
}

/**
 * Follows descriptors to the one manifest for `wanted`, or for the host when that is undefined; `source` names the image for messages.
 * Throws E_PLATFORM with a list of what there is, E_FORMAT, E_DIGEST, E_SOURCE, E_UNSUPPORTED.
 */
export async function resolveManifest(
  store: BlobStore,
  candidates: readonly Descriptor[],
  wanted: Platform | undefined,
  source: string,
): Promise<ResolvedManifest> {
  const search = new ManifestSearch(store, source);
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) {
    const document = await search.read(only);
    if (document.kind === 'manifest') {
      return { descriptor: only, manifest: document.manifest, alone: true };
    }
  }
  const offers = await search.collect(candidates, 0);
  const { descriptor } = choosePlatform(offers, wanted ?? hostPlatform(), source);
  const document = await search.read(descriptor);
  if (document.kind === 'manifest') {
    return { descriptor, manifest: document.manifest, alone: false };
  }
  throw new RundleError('E_FORMAT', `reading ${source}: ${descriptor.digest} is not a manifest`);
}

class ManifestSearch {
  readonly #store: BlobStore;
  readonly #source: string;
  readonly #documents = new Map<string, ImageDocument>();
  readonly #expanded = new Set<string>();

  constructor(store: BlobStore, source: string) {
    this.#store = store;
    this.#source = source;
  }

  /** Every image below `descriptors`, indexes within indexes included, in their order. */
  async collect(descriptors: readonly Descriptor[], depth: number): Promise<Offer[]> {
    if (depth > MAX_DEPTH) {
      throw new RundleError(
        'E_FORMAT',
        `reading ${this.#source}: indexes lie more than ${MAX_DEPTH} deep in each other`,
      );
    }
    const offers: Offer[] = [];
    for (const descriptor of descriptors) {
      // BuildKit files attestations of an image beside it.
      if (descriptor.annotations?.['vnd.docker.reference.type'] !== undefined) continue;
      const kind = documentKind(descriptor.mediaType);
      if (kind === undefined && descriptor.mediaType !== '') continue;
      const { platform } = descriptor;
      if (kind === 'manifest' && platform !== undefined) {
        offers.push({ descriptor, platform: platformOf(platform) });
        continue;
      }
      const document = await this.read(descriptor);
      if (document.kind === 'index') {
        // Twice the same index has nothing new, and could multiply without end.
        if (this.#expanded.has(descriptor.digest)) continue;
        this.#expanded.add(descriptor.digest);
        offers.push(...(await this.collect(document.index.manifests, depth + 1)));
      } else {
        const { config } = await readConfig(this.#store, document.manifest, this.#source);
        offers.push({ descriptor, platform: config });
      }
    }
    return offers;
  }

  /** The manifest or index that `descriptor` points at, verified; each is read once. */
  async read(descriptor: Descriptor): Promise<ImageDocument> {
    const { digest, mediaType, size } = descriptor;
    if (isSchema1(mediaType)) {
      throw new RundleError(
        'E_UNSUPPORTED',
        `reading ${this.#source}: ${digest} is a manifest of Docker's schema 1`,
        { hint: 'convert the image: skopeo copy --format oci ...' },
      );
    }
    const known = this.#documents.get(digest);
    if (known !== undefined) return known;
    if (this.#documents.size >= MAX_DOCUMENTS) {
      throw new RundleError(
        'E_FORMAT',
        `reading ${this.#source}: its indexes name more than ${MAX_DOCUMENTS} documents`,
      );
    }
    const where = `reading the manifest of ${this.#source}`;
    const file = await this.#store.locate(digest, where, { kind: 'manifest', size });
    const bytes = await readBlob(file, descriptor, MAX_DOCUMENT_SIZE, where);
    const document = parseDocument(bytes, mediaType, `${where} (${digest})`);
    this.#documents.set(digest, document);
    return document;
  }
}

function platformOf(platform: NonNullable<Descriptor['platform']>): Platform {
  const { os, architecture, variant } = platform;
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}
