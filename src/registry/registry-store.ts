import type { Arrival } from '../blob/arrival.js';
import type { BlobRole, BlobStore } from '../blob/blob-store.js';
import type { FileRange } from '../blob/file-range.js';
import { isRundleError, RundleError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Descriptor } from '../oci/document.js';
import type { BlobCache, RegistryAccess } from './access.js';
import { downloadBlob } from './download.js';
import { EndpointSession } from './endpoint-session.js';
import { Connections } from './exchange.js';
import { limitTo } from './limit.js';
import { type FetchedDocument, fetchDocument } from './manifest-request.js';
import { patienceWith } from './patience.js';
import type { Reference } from './reference.js';

/** Layers that are fetched at a time: more only share the same line, and registries count connections. */
const PARALLEL_LAYERS = 4;

/** What a pull reports. */
export interface PullContext {
  access: RegistryAccess;
  /** Where blobs go: the cache, or a spool directory. */
  cache: BlobCache;
  /** The source as the user wrote it, for messages. */
  source: string;
  /** How many bytes of a layer are there; the first report of each comes before it is fetched. */
  onDownload?: (digest: Digest, done: number, total: number) => void;
}

/**
 * The blobs of one image in a registry, fetched into a cache when they are asked for. Must be closed: that ends what is still being fetched.
 */
export class RegistryStore implements BlobStore {
  readonly #context: PullContext;
  readonly #reference: Reference;
  readonly #abort = new AbortController();
  readonly #connections: Connections;
  readonly #sessions: EndpointSession[] = [];
  #opening: Promise<void> | undefined;
  readonly #pending = new Map<Digest, Promise<FileRange>>();
  readonly #fromCache = new Map<Digest, FileRange>();
  readonly #inTurn = limitTo(PARALLEL_LAYERS);

  constructor(reference: Reference, context: PullContext) {
    const { access } = context;
    this.#context = context;
    this.#reference = reference;
    this.#connections = new Connections(access, patienceWith(access.patience), this.#abort.signal);
  }

  /** The blobs that were not fetched but found in the cache. */
  get fromCache(): ReadonlyMap<Digest, FileRange> {
    return this.#fromCache;
  }

  /**
   * The descriptor of what the reference names. A tag is asked from the registry every time, a digest only when the cache has not got it.
   * Errors as `fetchDocument`.
   */
  async resolve(): Promise<Descriptor> {
    const { tag, digest } = this.#reference;
    const where = `reading ${this.#context.source}`;
    if (digest !== undefined) {
      const { size } = await this.locate(digest, where, { kind: 'manifest' });
      return descriptorOf(digest, size, '');
    }
    const document = await this.#anywhere((session) =>
      fetchDocument(session, { tag: tag ?? 'latest' }, where),
    );
    await this.#keep(document);
    return descriptorOf(document.digest, document.bytes.length, document.mediaType);
  }

  /**
   * The place of a blob on disk, fetched if need be; `role` says what it is, because registries keep manifests apart. Throws as
   * `fetchDocument` and `downloadBlob`.
   */
  locate(digest: Digest, where: string, role: BlobRole): Promise<FileRange> {
    const known = this.#pending.get(digest);
    if (known !== undefined) return known;
    const found = this.#locate(digest, where, role);
    this.#pending.set(digest, found);
    return found;
  }

  /** Ends all that is going on and waits until it has let go of its files. Never throws. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#connections.close();
    await Promise.allSettled(this.#pending.values());
  }

  async #locate(digest: Digest, where: string, role: BlobRole): Promise<FileRange> {
    const cached = await this.#context.cache.find(digest, role.size);
    if (cached !== undefined) {
      this.#fromCache.set(digest, cached);
      return cached;
    }
    if (role.kind === 'manifest') {
      const wanted = { digest };
      return this.#keep(await this.#anywhere((session) => fetchDocument(session, wanted, where)));
    }
    if (role.kind === 'config') return this.#fetch({ digest, size: role.size, where });
    const { size, arrival } = role;
    const { onDownload } = this.#context;
    const onProgress = (done: number) => onDownload?.(digest, done, size);
    onProgress(0);
    return this.#inTurn(() => this.#fetch({ digest, size, where, onProgress, arrival }));
  }

  async #fetch(wanted: {
    digest: Digest;
    size: number;
    where: string;
    onProgress?: (done: number) => void;
    arrival?: Arrival | undefined;
  }): Promise<FileRange> {
    const { digest, size, where, onProgress, arrival } = wanted;
    this.#abort.signal.throwIfAborted();
    const place = await this.#context.cache.begin(digest, size, this.#abort.signal);
    if ('offset' in place) {
      onProgress?.(size);
      return place;
    }
    const request = {
      digest,
      size,
      where,
      onProgress: (done: number) => {
        onProgress?.(done);
        arrival?.advance(done);
      },
    };
    arrival?.begin(place.path, size);
    try {
      await this.#anywhere((session) => downloadBlob(session, this.#connections, place, request));
    } catch (error) {
      arrival?.lose();
      if (isRundleError(error, 'E_DIGEST')) await place.discard();
      else await place.keep();
      throw error;
    }
    return place.complete();
  }

  /** A document that is verified already, as a file. */
  async #keep({ digest, bytes }: FetchedDocument): Promise<FileRange> {
    const { cache } = this.#context;
    const cached = await cache.find(digest, bytes.length);
    if (cached !== undefined) return cached;
    const place = await cache.begin(digest, bytes.length);
    if ('offset' in place) return place;
    try {
      await place.restart();
      await place.write(bytes);
    } catch (error) {
      await place.discard();
      throw error;
    }
    return place.complete();
  }

  /** Asks one endpoint after the other; who had something once is asked first from then on. Throws the last one's error, which is the origin's. */
  async #anywhere<T>(ask: (session: EndpointSession) => Promise<T>): Promise<T> {
    const sessions = await this.#open();
    const failed: string[] = [];
    for (const [index, session] of sessions.entries()) {
      try {
        const result = await ask(session);
        if (index > 0) this.#prefer(session);
        return result;
      } catch (error) {
        this.#abort.signal.throwIfAborted();
        const mayBeElsewhere =
          isRundleError(error) && !['E_USAGE', 'E_OUTPUT'].includes(error.code);
        if (!mayBeElsewhere) throw error;
        if (index === sessions.length - 1) throw withOthers(error, failed);
        failed.push(`${session.endpoint.host} (${error.code})`);
      }
    }
    throw new RundleError(
      'E_USAGE',
      `reading ${this.#context.source}: no registry may be asked for it`,
      {
        hint: 'look at containers-registries.conf',
      },
    );
  }

  #prefer(session: EndpointSession): void {
    const others = this.#sessions.filter((one) => one !== session);
    this.#sessions.splice(0, this.#sessions.length, session, ...others);
  }

  async #open(): Promise<readonly EndpointSession[]> {
    this.#opening ??= this.#openSessions();
    await this.#opening;
    return [...this.#sessions];
  }

  async #openSessions(): Promise<void> {
    const { access, source } = this.#context;
    for (const endpoint of await access.mirrors(this.#reference)) {
      // A user's name in the reference is about the host that the reference names.
      const isOrigin = endpoint.host === this.#reference.host;
      const settings = {
        endpoint,
        username: isOrigin ? this.#reference.username : undefined,
        credentials: access.credentials,
        insecure: access.insecure || endpoint.insecure,
      };
      this.#sessions.push(new EndpointSession(settings, this.#connections, `reading ${source}`));
    }
  }
}

function descriptorOf(digest: Digest, size: number, mediaType: string): Descriptor {
  return { mediaType, digest, size, urls: undefined, annotations: undefined, platform: undefined };
}

function withOthers(error: RundleError, failed: readonly string[]): RundleError {
  if (failed.length === 0) return error;
  const { code, message, hint, details, cause } = error;
  return new RundleError(code, `${message}; tried before: ${failed.join(', ')}`, {
    cause,
    ...(hint !== undefined && { hint }),
    details: { ...details },
  });
}
