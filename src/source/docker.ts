import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobReader } from '../blob/blob-reader.js';
import type { FileRange } from '../blob/file-range.js';
import { isRundleError, RundleError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/document.js';
import { anonymousAccess, type BlobCache } from '../registry/access.js';
import { formatReference, parseReference, type Reference } from '../registry/reference.js';
import type { RegistryStore } from '../registry/registry-store.js';
import { spoolCache } from '../registry/spool.js';
import { loadImage } from './image.js';
import type { LoadedSource } from './source.js';
import type { SourceContext, SourceSpecification, Transport } from './transport.js';

/** `docker://`: an image in a registry (OCI distribution spec), by Docker's names and by Enroot's `[USER@]HOST#NAME[:TAG]`. */
export const docker: Transport = {
  name: 'docker',
  syntax: 'docker://[HOST/]NAME[:TAG][@DIGEST]',
  parse(rest) {
    if (!rest.startsWith('//')) return undefined;
    const { tag, digest } = parseReference(rest.slice(2));
    const written = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
    // A tag that was not written is no part of the name.
    if (!rest.endsWith(written)) return { location: rest };
    const location = rest.slice(0, rest.length - written.length);
    return { location, reference: written.replace(/^:/, '') };
  },
  async load(specification, context) {
    const text = writtenReference(specification);
    const pull = { reference: parseReference(text.slice(2)), source: `docker:${text}` };
    const cache = await blobCache(context);
    // What others, or a failing disk, left in the cache is fetched anew. Each round finds what lies behind the one before: an index, a manifest, a
    // config, layers.
    for (let round = 0; ; round += 1) {
      const spoolDirectory = join(context.spoolDirectory, `round-${round}`);
      await mkdir(spoolDirectory, { mode: 0o700, recursive: true });
      const tried = await tryToLoad(pull, cache, { ...context, spoolDirectory });
      if ('loaded' in tried) return tried.loaded;
      if (round === MAX_ROUNDS) throw tried.fault;
    }
  },
};

/** More often than this is not begun anew because of damaged entries: indexes may lie in each other. */
const MAX_ROUNDS = 10;

interface Pull {
  reference: Reference;
  /** As the user wrote it, for messages. */
  source: string;
}

function writtenReference({ location, reference }: SourceSpecification): string {
  if (reference === undefined) return location;
  return reference.startsWith('@') ? `${location}${reference}` : `${location}:${reference}`;
}

/** The cache that was given, or a place in the spool directory for as long as that is there. */
async function blobCache({ registry, shared, spoolDirectory }: SourceContext): Promise<BlobCache> {
  if (registry?.cache !== undefined) return registry.cache;
  const make = async () => {
    const directory = join(spoolDirectory, 'blobs');
    try {
      await mkdir(directory, { mode: 0o700 });
    } catch (cause) {
      throw new RundleError('E_OUTPUT', `making ${directory} for what is downloaded`, { cause });
    }
    return spoolCache(directory);
  };
  return shared === undefined ? make() : shared.once('registry spool', make);
}

/** Loads the image, or says that it failed because of blobs in the cache that were damaged, and are in it no more. */
async function tryToLoad(
  { reference, source }: Pull,
  cache: BlobCache,
  context: SourceContext,
): Promise<{ loaded: LoadedSource } | { fault: RundleError }> {
  const { shared, onProgress } = context;
  // Its HTTP client takes long to load, which other sources need not wait for.
  const { RegistryStore } = await import('../registry/registry-store.js');
  const store = new RegistryStore(reference, {
    access: context.registry ?? anonymousAccess(process.env),
    cache,
    source,
    onDownload: (digest, done, total) =>
      onProgress?.({ phase: 'download', name: digest, done, total }),
  });
  try {
    // For all platforms of one bundle the tag is asked once: it may move meanwhile.
    const resolve = () => store.resolve();
    const top: Descriptor = await (shared?.once(`registry ${source}`, resolve) ?? resolve());
    const image = {
      store,
      candidates: [top],
      source,
      transport: 'docker',
      reference: formatReference(reference),
    };
    const loaded = await loadImage(image, context);
    const { manifestDigest } = loaded.provenance;
    if (manifestDigest === top.digest) return { loaded };
    const provenance = { ...loaded.provenance, indexDigest: top.digest };
    return { loaded: { ...loaded, provenance } };
  } catch (error) {
    if (isRundleError(error, 'E_DIGEST') && (await rejectDamaged(store, cache))) {
      return { fault: error };
    }
    throw error;
  } finally {
    await store.close();
  }
}

/** Takes the damaged ones of the blobs that were used out of the cache; false when there are none. */
async function rejectDamaged(store: RegistryStore, cache: BlobCache): Promise<boolean> {
  let found = false;
  for (const [digest, file] of store.fromCache) {
    if (await isSound(digest, file)) continue;
    await cache.reject(digest);
    found = true;
  }
  return found;
}

async function isSound(digest: Digest, file: FileRange): Promise<boolean> {
  const reader = await BlobReader.open(file, { digest }, 'looking for damage').catch(
    () => undefined,
  );
  if (reader === undefined) return false;
  try {
    await reader.verify();
    return true;
  } catch {
    return false;
  } finally {
    await reader.close();
  }
}
