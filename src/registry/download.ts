import type { Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { isRundleError, RundleError, reasonOf } from '../errors.js';
import { algorithmOf, type Digest, digestOfHash, hashFor } from '../oci/digest.js';
import type { PartialBlob } from './access.js';
import { isGzip } from './answer-body.js';
import type { EndpointSession } from './endpoint-session.js';
import type { Connections } from './exchange.js';
import { PassingFault, waitAfter } from './patience.js';
import type { FollowedAnswer } from './redirects.js';

/** What is fetched. */
export interface BlobRequest {
  digest: Digest;
  size: number;
  /** Begins messages: "reading docker://x: layer 2 of 3 (sha256:...)". */
  where: string;
  /** Gets the bytes that are there so far. */
  onProgress?: (done: number) => void;
}

/** So many new bytes show that the connection works: the attempts are counted anew. */
const WORTH_AN_ATTEMPT = 1024 * 1024;
/** However slowly it goes on, it does not go on for ever. */
const MAX_CONNECTIONS = 1000;

/**
 * Fetches one blob from one endpoint into `partial`, going on from what is there, over as many connections as it takes, and verifies size
 * and digest. Afterwards `partial` holds exactly the blob; completing or keeping it is the caller's. Throws E_DIGEST when it is not what
 * was announced, E_SOURCE when it is not there, E_OUTPUT, and as `EndpointSession.get`.
 */
export async function downloadBlob(
  session: EndpointSession,
  connections: Connections,
  partial: PartialBlob,
  request: BlobRequest,
): Promise<void> {
  await new Download(session, connections, partial, request).run();
}

class Download {
  readonly #session: EndpointSession;
  readonly #connections: Connections;
  readonly #partial: PartialBlob;
  readonly #request: BlobRequest;
  #hash: Hash;
  /** Bytes from an earlier download, which may have been damaged since. */
  #inherited = 0;
  /** Whether what the server says to have compressed on the way is uncompressed here. */
  #decodes = false;
  /** The server says so without a length: the layer's own compression may be meant, which is no reason to uncompress it. */
  #mayDecode = false;

  constructor(
    session: EndpointSession,
    connections: Connections,
    partial: PartialBlob,
    request: BlobRequest,
  ) {
    this.#session = session;
    this.#connections = connections;
    this.#partial = partial;
    this.#request = request;
    this.#hash = hashFor(algorithmOf(request.digest));
  }

  async run(): Promise<void> {
    await this.#inherit();
    let tried = 0;
    let reached = this.#partial.size;
    for (let count = 0; ; count += 1) {
      try {
        if (await this.#isComplete()) return;
        await this.#advance();
      } catch (error) {
        if (await this.#decodesInstead(error)) continue;
        if (!(error instanceof PassingFault)) throw error;
        if (this.#partial.size >= reached + WORTH_AN_ATTEMPT && count < MAX_CONNECTIONS) tried = 0;
        reached = this.#partial.size;
        tried += 1;
        await waitAfter(error, tried, this.#connections.patience, this.#connections.signal);
      }
    }
  }

  /** Whether what failed is worth another try with the server's compression undone. */
  async #decodesInstead(error: unknown): Promise<boolean> {
    const isWrong = error instanceof PassingFault || isRundleError(error, 'E_DIGEST');
    if (!isWrong || !this.#mayDecode || this.#decodes) return false;
    this.#decodes = true;
    await this.#restart();
    return true;
  }

  /** Hashes what an earlier download has left. */
  async #inherit(): Promise<void> {
    const { path, size } = this.#partial;
    if (size > this.#request.size) await this.#restart();
    else if (size > 0) {
      try {
        for await (const chunk of createReadStream(path, { end: size - 1 }))
          this.#hash.update(chunk);
      } catch (cause) {
        throw new RundleError(
          'E_OUTPUT',
          `${this.#request.where}: reading ${path}: ${reasonOf(cause)}`,
          { cause },
        );
      }
      this.#inherited = size;
    }
    this.#report();
  }

  /** Whether all bytes are there; then they are the right ones, or E_DIGEST is thrown. */
  async #isComplete(): Promise<boolean> {
    const { digest, size, where } = this.#request;
    if (this.#partial.size < size) return false;
    const actual = digestOfHash(this.#hash.copy(), algorithmOf(digest));
    if (actual === digest) return true;
    if (this.#inherited > 0) {
      await this.#restart();
      return size === 0;
    }
    throw new RundleError(
      'E_DIGEST',
      `${where}: what ${this.#session.endpoint.host} sends has the digest ${actual}, announced was ${digest}`,
      {
        hint: 'something on the way changes what the registry sends: a proxy, or a damaged mirror',
      },
    );
  }

  /** One connection: as many bytes as it gives. */
  async #advance(): Promise<void> {
    const { digest, where } = this.#request;
    const have = this.#partial.size;
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {};
    const answer = await this.#session.attempt(`blobs/${digest}`, headers);
    const { status } = answer;
    if (status === 200) {
      if (have > 0) await this.#restart();
      this.#checkLength(answer);
      await this.#take(answer);
    } else if (status === 206 && have > 0 && this.#continues(answer, have)) {
      await this.#take(answer);
    } else {
      await answer.discard();
      if (have > 0 && (status === 206 || status === 416)) await this.#restart();
      else if (status === 404) {
        throw new RundleError(
          'E_SOURCE',
          `${where}: ${this.#session.endpoint.host} does not have it, although the manifest names it`,
          { hint: 'the image is incomplete in the registry; push it again' },
        );
      } else {
        throw new RundleError(
          'E_NETWORK',
          `${where}: ${answer.url.host} answers with status ${status}`,
        );
      }
    }
  }

  #checkLength(answer: FollowedAnswer): void {
    const length = Number(answer.header('content-length') ?? Number.NaN);
    const { size, where } = this.#request;
    if (isGzip(answer)) {
      if (Number.isNaN(length)) this.#mayDecode = true;
      else if (length !== size) this.#decodes = true;
      return;
    }
    if (Number.isNaN(length) || length === size) return;
    void answer.discard();
    throw new RundleError(
      'E_DIGEST',
      `${where}: ${answer.url.host} has ${length} bytes, announced were ${size}`,
      {
        hint: 'something on the way changes what the registry sends: a proxy, or a damaged mirror',
      },
    );
  }

  #continues(answer: FollowedAnswer, have: number): boolean {
    const [, from, total] =
      /^bytes (\d{1,16})-\d{1,16}\/(\d{1,16}|\*)$/.exec(answer.header('content-range') ?? '') ?? [];
    return (
      Number(from) === have &&
      (total === '*' || Number(total) === this.#request.size) &&
      !isGzip(answer)
    );
  }

  async #take(answer: FollowedAnswer): Promise<void> {
    const { size, where } = this.#request;
    const excess = () =>
      new RundleError(
        'E_DIGEST',
        `${where}: ${answer.url.host} sends more than the ${size} bytes announced`,
      );
    const take = async (chunk: Buffer) => {
      if (this.#partial.size + chunk.length > size) throw excess();
      this.#hash.update(chunk);
      await this.#partial.write(chunk);
      this.#report();
    };
    if (this.#decodes && isGzip(answer)) {
      await this.#uncompress(answer, take);
    } else {
      for await (const chunk of answer.body) await take(chunk);
    }
    if (this.#partial.size < size) {
      throw new PassingFault(
        new RundleError(
          'E_NETWORK',
          `${where}: ${answer.url.host} ends after ${this.#partial.size} of ${size} bytes`,
        ),
      );
    }
  }

  /** What comes compressed cannot be gone on with: a range would count compressed bytes. */
  async #uncompress(answer: FollowedAnswer, take: (chunk: Buffer) => Promise<void>): Promise<void> {
    try {
      await pipeline(answer.body, createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) await take(chunk);
      });
    } catch (error) {
      if (error instanceof PassingFault) await this.#restart();
      if (error instanceof PassingFault || error instanceof RundleError) throw error;
      throw new RundleError(
        'E_DIGEST',
        `${this.#request.where}: ${answer.url.host} sends it compressed, and what comes cannot be uncompressed`,
        { cause: error },
      );
    }
  }

  async #restart(): Promise<void> {
    await this.#partial.restart();
    this.#hash = hashFor(algorithmOf(this.#request.digest));
    this.#inherited = 0;
    this.#report();
  }

  #report(): void {
    this.#request.onProgress?.(this.#partial.size);
  }
}
