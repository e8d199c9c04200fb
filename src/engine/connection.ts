import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import type { ReadChunk } from '../layer/gzip.js';
import { type Endpoint, endpointText } from './endpoint.js';
import { engineFault } from './fault.js';

/** How long an engine may take, in milliseconds. */
export interface EngineTimeouts {
  /** To be connected to. */
  connect: number;
  /** To begin an answer: some write an archive to disk before they send its first byte. */
  answer: number;
  /** Between two pieces of an answer. */
  pause: number;
}

export const ENGINE_TIMEOUTS: EngineTimeouts = {
  connect: 10_000,
  answer: 30 * 60_000,
  pause: 5 * 60_000,
};

/** Most bytes of an answer that is not an archive. */
const DOCUMENT_LIMIT = 4 * 1024 * 1024;

/** An answer of which only the beginning has come. */
export interface Answer {
  status: number;
  /** Bytes of the body, where they were announced. */
  length: number | undefined;
  /** The body, piece by piece. Throws E_NETWORK when it does not come to its end. */
  read: ReadChunk;
}

/** A connection to one engine; it speaks HTTP/1.1. */
export class EngineConnection {
  readonly #agent: Agent;
  readonly #origin: string;
  readonly #where: string;

  /** `where` begins messages. Throws E_SOURCE when certificates cannot be read. Nothing is sent yet. */
  constructor(endpoint: Endpoint, timeouts: EngineTimeouts, where: string) {
    this.#where = `${where}: the engine at ${endpointText(endpoint)}`;
    const secure = endpoint.kind === 'tcp' && endpoint.tls !== undefined;
    const host = endpoint.kind === 'tcp' ? `${endpoint.host}:${endpoint.port}` : 'localhost';
    this.#origin = `${secure ? 'https' : 'http'}://${host}`;
    this.#agent = new Agent({
      connect: { timeout: timeouts.connect, ...connectOptions(endpoint, where) },
      headersTimeout: timeouts.answer,
      bodyTimeout: timeouts.pause,
    });
  }

  /** Asks for `path`. Failures to connect are thrown as they are, others as E_NETWORK. */
  async get(path: string): Promise<Answer> {
    const { statusCode, headers, body } = await request(`${this.#origin}${path}`, {
      dispatcher: this.#agent,
    }).catch((cause: unknown) => {
      throw engineFault(cause, this.#where);
    });
    const length = Number(headers['content-length'] ?? Number.NaN);
    return {
      status: statusCode,
      length: Number.isSafeInteger(length) ? length : undefined,
      read: this.#reader(body),
    };
  }

  /** The text of a small answer. Throws E_NETWORK, E_FORMAT when it is not small. */
  async text(answer: Answer): Promise<string> {
    const parts: Buffer[] = [];
    let size = 0;
    for (let part = await answer.read(); part !== undefined; part = await answer.read()) {
      size += part.length;
      if (size > DOCUMENT_LIMIT) {
        throw new RundleError(
          'E_FORMAT',
          `${this.#where} sends more than the ${DOCUMENT_LIMIT} bytes that an answer may have`,
        );
      }
      parts.push(Buffer.from(part));
    }
    return Buffer.concat(parts).toString('utf8');
  }

  /** Ends the connection, and an answer that has not come to its end. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #reader(body: Readable): ReadChunk {
    const iterator = body[Symbol.asyncIterator]();
    let received = 0;
    return async () => {
      try {
        const { done, value } = await iterator.next();
        if (done) return undefined;
        received += value.length;
        return value as Buffer;
      } catch (cause) {
        throw engineFault(cause, this.#where, received);
      }
    };
  }
}

function connectOptions(endpoint: Endpoint, where: string): Record<string, unknown> {
  if (endpoint.kind === 'unix') return { socketPath: endpoint.path };
  if (endpoint.tls === undefined) return {};
  const { directory } = endpoint.tls;
  const read = (name: string) => {
    const path = join(directory, name);
    try {
      return readFileSync(path);
    } catch (cause) {
      throw new RundleError(
        'E_SOURCE',
        `${where}: reading the certificate ${path}: ${systemReason(cause)}`,
        { cause, hint: 'DOCKER_CERT_PATH names the directory with ca.pem, cert.pem and key.pem' },
      );
    }
  };
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}
