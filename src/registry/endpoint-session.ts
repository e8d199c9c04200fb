import { RundleError } from '../errors.js';
import type { CredentialSource, Endpoint } from './access.js';
import { errorCodes } from './answer-body.js';
import { Authenticator } from './authenticator.js';
import { endpointUrl } from './endpoint.js';
import type { Connections } from './exchange.js';
import { PassingFault, persist, retryAfter } from './patience.js';
import { type FollowedAnswer, follow, mayBePlain } from './redirects.js';
import { DOCKER_HUB } from './reference.js';

/** What an endpoint is asked with. */
export interface SessionSettings {
  endpoint: Endpoint;
  /** Whose credentials, when the reference names a user. */
  username: string | undefined;
  credentials: CredentialSource;
  insecure: boolean;
}

/** Requests to one repository at one endpoint: protocol, authentication, redirects and patience are settled here. */
export class EndpointSession {
  readonly endpoint: Endpoint;
  readonly #settings: SessionSettings;
  readonly #connections: Connections;
  readonly #where: string;
  readonly #authenticator: Authenticator;
  #base: Promise<URL> | undefined;

  /** `where` begins messages. Throws E_USAGE for an endpoint that is none. */
  constructor(settings: SessionSettings, connections: Connections, where: string) {
    const { endpoint, username, credentials, insecure } = settings;
    endpointUrl(endpoint, 'https:');
    this.endpoint = endpoint;
    this.#settings = settings;
    this.#connections = connections;
    this.#where = where;
    const identity = { endpoint, username, source: credentials, insecure };
    this.#authenticator = new Authenticator(identity, connections, where);
  }

  /**
   * `GET /v2/REPOSITORY/PATH`, and what `use` makes of the answer, tried again where that may help. The answer's status is neither 401,
   * 403, 429 nor 5xx. Throws E_AUTH for the first two, E_NETWORK for the others and when there is no answer, or only a part of it; and
   * what `use` throws.
   */
  get<T>(
    path: string,
    headers: Readonly<Record<string, string>>,
    use: (answer: FollowedAnswer) => Promise<T>,
  ): Promise<T> {
    const { patience, signal } = this.#connections;
    return persist(async () => use(await this.attempt(path, headers)), patience, signal);
  }

  /** As `get`, but once: what may pass is thrown as a PassingFault. */
  async attempt(path: string, headers: Readonly<Record<string, string>>): Promise<FollowedAnswer> {
    this.#base ??= this.#findProtocol();
    const base = await this.#base.catch((error: unknown) => {
      this.#base = undefined;
      throw error;
    });
    const url = new URL(`/v2/${this.endpoint.repository}/${path}`, base);
    let used = this.#authenticator.authorization;
    let answer = await this.#send(url, headers, used);
    if (answer.status === 401 && answer.fromOrigin) {
      const challenge = answer.header('www-authenticate');
      await answer.discard();
      used = await this.#authenticator.respond(challenge, used, url);
      answer = await this.#send(url, headers, used);
    }
    return this.#judge(answer);
  }

  #send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    authorization: string | undefined,
  ): Promise<FollowedAnswer> {
    const { insecure } = this.#settings;
    const all = authorization === undefined ? headers : { ...headers, authorization };
    return follow(this.#connections, { method: 'GET', url, headers: all, insecure }, this.#where);
  }

  async #judge(answer: FollowedAnswer): Promise<FollowedAnswer> {
    const { status } = answer;
    if (status !== 401 && status !== 403 && status !== 429 && status < 500) return answer;
    const codes = await errorCodes(answer);
    const said = [`status ${status}`, ...codes].join(', ');
    const host = answer.url.host;
    if (status === 401 || status === 403) {
      if (answer.fromOrigin) throw await this.#authenticator.denial(status, codes);
      // Storage that a registry sends its clients to lets in whoever has the right URL, for a while.
      const fault = new RundleError(
        'E_NETWORK',
        `${this.#where}: ${host}, where ${this.endpoint.host} redirects to, refuses (${said})`,
      );
      throw new PassingFault(fault);
    }
    const wait = retryAfter(answer.header('retry-after'), Date.now());
    if (status === 429) {
      const hub = this.endpoint.host === DOCKER_HUB;
      const hint = hub
        ? 'Docker Hub limits pulls without an account: docker login, or --username NAME'
        : 'try again later';
      throw new PassingFault(
        new RundleError(
          'E_NETWORK',
          `${this.#where}: ${host} has had too many requests (${said})`,
          { hint },
        ),
        wait,
      );
    }
    throw new PassingFault(
      new RundleError('E_NETWORK', `${this.#where}: ${host} cannot answer now (${said})`),
      wait,
    );
  }

  /** A host that may speak plain HTTP is asked by TLS first: who has it should use it. */
  async #findProtocol(): Promise<URL> {
    const { insecure } = this.#settings;
    const secure = endpointUrl(this.endpoint, 'https:');
    if (!mayBePlain(secure, insecure)) return secure;
    try {
      await this.#ping(secure);
      return secure;
    } catch (error) {
      const fault = error instanceof PassingFault ? error.fault : error;
      if (!speaksNoTls(fault)) throw error;
    }
    const plain = endpointUrl(this.endpoint, 'http:');
    await this.#ping(plain);
    return plain;
  }

  async #ping(base: URL): Promise<void> {
    const { insecure } = this.#settings;
    const url = new URL('/v2/', base);
    const answer = await this.#connections.send(
      { method: 'GET', url, headers: {}, insecure },
      this.#where,
    );
    await answer.discard();
  }
}

/** Whether a failure means that nobody speaks TLS there, rather than that the certificate is wrong or the host unknown. */
function speaksNoTls(fault: unknown): boolean {
  const reason = fault instanceof RundleError ? fault.details.reason : undefined;
  return (
    typeof reason === 'string' &&
    /^(?:EPROTO|ERR_SSL_.*|ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET|UND_ERR_CONNECT_TIMEOUT)$/.test(
      reason,
    )
  );
}
