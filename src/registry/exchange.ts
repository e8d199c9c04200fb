import { setMaxListeners } from 'node:events';
import { createSecureContext, type SecureContext } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { RundleError, reasonOf } from '../errors.js';
import type { Patience, RegistryAccess } from './access.js';
import { trustedCertificates } from './certificates.js';
import { networkFault } from './network-fault.js';
import { PassingFault } from './patience.js';
import { proxyFor } from './proxy.js';

/** One request, as it goes over the wire. */
export interface Request {
  method: 'GET' | 'POST';
  url: URL;
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** A certificate that cannot be verified is accepted. */
  insecure: boolean;
}

/** The head of an answer, and its body, which must be read or discarded. */
export interface Answer {
  url: URL;
  status: number;
  /** A field by its name in lower case; several of one name are joined by commas. */
  header(name: string): string | undefined;
  body: AsyncIterable<Buffer>;
  discard(): Promise<void>;
}

/** Enough for the layers that are fetched at a time, and a token. */
const CONNECTIONS = 6;
/** Less of a rest is read so that the connection can be used again. */
const WORTH_READING = 64 * 1024;
/** Node gives each of a host's addresses 250 ms by default, which a distant host misses. */
const EACH_ADDRESS = 3000;

/** The connections of one pull: through proxies, with the certificates that are trusted. */
export class Connections {
  readonly patience: Patience;
  readonly signal: AbortSignal;
  readonly #access: RegistryAccess;
  readonly #agents = new Map<string, Dispatcher>();
  readonly #answered = new Set<string>();
  #context: Promise<SecureContext> | undefined;

  constructor(access: RegistryAccess, patience: Patience, signal: AbortSignal) {
    this.#access = access;
    this.patience = patience;
    this.signal = signal;
    // Every request listens to it, and that is no leak.
    setMaxListeners(0, signal);
  }

  /**
   * Sends a request and gives the answer, whatever its status; redirects are not followed. `where` begins messages. Throws E_NETWORK when
   * there is no answer, as a PassingFault where another attempt may help; E_USAGE for proxies and certificates that cannot be used.
   */
  async send(request: Request, where: string): Promise<Answer> {
    const { url, method, headers, body, insecure } = request;
    const { signal, patience } = this;
    const dispatcher = await this.#dispatcherFor(url, insecure);
    const context = { where, url, patience, hasAnswered: this.#answered.has(url.origin) };
    let answer: Dispatcher.ResponseData;
    try {
      answer = await dispatcher.request({
        origin: url.origin,
        path: `${url.pathname}${url.search}`,
        method,
        headers: { 'accept-encoding': 'identity', 'user-agent': 'rundle', ...headers },
        body: body ?? null,
        signal,
        headersTimeout: patience.headers,
        bodyTimeout: patience.stall,
      });
    } catch (error) {
      throw networkFault(error, context);
    }
    this.#answered.add(url.origin);
    return {
      url,
      status: answer.statusCode,
      header: (name) => {
        const value = answer.headers[name];
        return Array.isArray(value) ? value.join(', ') : value;
      },
      body: readBody(answer.body, { ...context, hasAnswered: true }),
      discard: async () => {
        await answer.body.dump({ limit: WORTH_READING }).catch(() => undefined);
      },
    };
  }

  /** Ends every connection at once. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#agents.values()].map((agent) => agent.destroy()));
  }

  async #dispatcherFor(url: URL, insecure: boolean): Promise<Dispatcher> {
    const proxy = proxyFor(url, this.#access.environment);
    const key = JSON.stringify([proxy?.href, url.protocol, insecure]);
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    // Reading the certificates takes longer than most requests.
    const verifies = proxy?.protocol === 'https:' || (url.protocol === 'https:' && !insecure);
    const connect = {
      timeout: this.patience.connect,
      autoSelectFamilyAttemptTimeout: EACH_ADDRESS,
      ...(verifies && { secureContext: await this.#secureContext() }),
    };
    const target = insecure ? { ...connect, rejectUnauthorized: false } : connect;
    const agent =
      proxy === undefined
        ? new Agent({ connections: CONNECTIONS, connect: target })
        : new ProxyAgent({
            uri: proxy.href,
            connections: CONNECTIONS,
            // A proxy that only passes requests on may refuse to connect to any port but 443.
            proxyTunnel: url.protocol === 'https:',
            requestTls: target,
            proxyTls: connect,
          });
    const raced = this.#agents.get(key);
    if (raced !== undefined) {
      void agent.destroy();
      return raced;
    }
    this.#agents.set(key, agent);
    return agent;
  }

  #secureContext(): Promise<SecureContext> {
    this.#context ??= makeContext(this.#access);
    return this.#context;
  }
}

async function makeContext(access: RegistryAccess): Promise<SecureContext> {
  const ca = await trustedCertificates(access.environment, access.certificates);
  try {
    return createSecureContext({ ca });
  } catch (cause) {
    throw new RundleError('E_USAGE', `reading the trusted certificates: ${reasonOf(cause)}`, {
      cause,
      hint: 'look at --cacert, SSL_CERT_FILE, SSL_CERT_DIR and NODE_EXTRA_CA_CERTS',
    });
  }
}

async function* readBody(
  body: AsyncIterable<Buffer>,
  context: Parameters<typeof networkFault>[1],
): AsyncIterable<Buffer> {
  try {
    yield* body;
  } catch (error) {
    const fault = networkFault(error, context);
    throw fault instanceof PassingFault ? fault : new PassingFault(fault as RundleError);
  }
}
