import { RundleError } from '../errors.js';
import type { CredentialSource, Credentials, Endpoint } from './access.js';
import { type Challenge, parseChallenges } from './challenge.js';
import { isLoopback } from './endpoint.js';
import type { Connections } from './exchange.js';
import { basic, fetchToken, refused } from './token.js';

/** Whose credentials an endpoint may be given. */
export interface Identity {
  endpoint: Endpoint;
  /** Only those of this user. */
  username: string | undefined;
  source: CredentialSource;
  insecure: boolean;
}

/** Answers the challenges of one endpoint for one repository, and remembers what it was let in with. */
export class Authenticator {
  readonly #identity: Identity;
  readonly #connections: Connections;
  readonly #where: string;
  #authorization: string | undefined;
  #renewal: Promise<string> | undefined;
  #credentials: Promise<Credentials | undefined> | undefined;

  constructor(identity: Identity, connections: Connections, where: string) {
    this.#identity = identity;
    this.#connections = connections;
    this.#where = where;
  }

  /** The `Authorization` field for the next request; undefined as long as the server wants none. */
  get authorization(): string | undefined {
    return this.#authorization;
  }

  /**
   * The field to try again with after a request with `used` was answered by `field`, its `WWW-Authenticate`, from `url`. Requests that
   * fail at the same time share one renewal. Throws E_AUTH when there are no credentials, or they were refused; E_NETWORK for a challenge
   * that cannot be understood.
   */
  async respond(field: string | undefined, used: string | undefined, url: URL): Promise<string> {
    if (this.#renewal === undefined && this.#authorization !== used) {
      return this.#authorization as string;
    }
    this.#renewal ??= this.#renew(field, used, url).finally(() => {
      this.#renewal = undefined;
    });
    this.#authorization = await this.#renewal;
    return this.#authorization;
  }

  /** The E_AUTH error for a request that is refused whatever was tried; `codes` are the registry's own. */
  async denial(status: number, codes: readonly string[]): Promise<RundleError> {
    const { host, repository } = this.#identity.endpoint;
    const said = [`status ${status}`, ...codes].join(', ');
    if (await this.#known()) {
      return refused(
        `${this.#where}: ${host} does not let these credentials pull ${repository} (${said})`,
      );
    }
    return new RundleError(
      'E_AUTH',
      `${this.#where}: ${host} does not let everybody pull ${repository} (${said}), or there is no such repository`,
      {
        hint: `look at the name, log in (docker login, podman login), or give --username NAME and --password-stdin`,
      },
    );
  }

  async #renew(field: string | undefined, used: string | undefined, url: URL): Promise<string> {
    const host = url.host;
    const challenges = field === undefined ? [] : parseChallenges(field, `${this.#where}: ${host}`);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#bearer(bearer, used, url);
    const wantsBasic = challenges.some(({ scheme }) => scheme === 'basic');
    if (!wantsBasic) {
      const schemes = challenges.map(({ scheme }) => scheme.slice(0, 40)).join(', ') || 'nothing';
      throw new RundleError(
        'E_AUTH',
        `${this.#where}: ${host} wants to be convinced by ${schemes}; only basic and bearer are known`,
      );
    }
    const credentials = await this.#known();
    if (used !== undefined || credentials === undefined) throw await this.denial(401, []);
    if ('registryToken' in credentials) return this.#given(credentials.registryToken, url);
    if ('identityToken' in credentials) {
      throw refused(`${this.#where}: ${host} wants a name and a password, there is only a token`);
    }
    this.#refusePlain(url);
    return basic(credentials);
  }

  async #bearer(challenge: Challenge, used: string | undefined, url: URL): Promise<string> {
    const { endpoint, insecure } = this.#identity;
    const realm = challenge.parameters.get('realm');
    const credentials = await this.#known();
    if (credentials !== undefined && 'registryToken' in credentials) {
      if (used !== undefined) throw await this.denial(401, []);
      return this.#given(credentials.registryToken, url);
    }
    if (realm === undefined) {
      throw new RundleError('E_NETWORK', `${this.#where}: ${url.host} names no token server`);
    }
    const token = await fetchToken(
      this.#connections,
      {
        realm,
        service: challenge.parameters.get('service'),
        scopes: scopesOf(challenge, endpoint.repository),
        registry: url,
        credentials,
        insecure,
      },
      this.#where,
    );
    return `Bearer ${token}`;
  }

  #given(token: string, url: URL): string {
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw refused(`${this.#where}: the token for ${url.host} is malformed`);
    }
    this.#refusePlain(url);
    return `Bearer ${token}`;
  }

  #refusePlain(url: URL): void {
    if (url.protocol === 'https:' || isLoopback(url.hostname)) return;
    throw new RundleError(
      'E_AUTH',
      `${this.#where}: ${url.host} wants credentials over plain HTTP, where others can read them`,
      { hint: 'credentials go over TLS only' },
    );
  }

  #known(): Promise<Credentials | undefined> {
    const { source, endpoint, username } = this.#identity;
    this.#credentials ??= source(endpoint.host, endpoint.repository, username);
    return this.#credentials;
  }
}

/** To pull a repository, or a word that only some registry knows the meaning of, as `aws`. */
const HARMLESS = /^(?:repository(?:\([a-z]+\))?:[a-z0-9][a-z0-9._/:-]{0,511}:pull|[a-z]{1,32})$/;

/**
 * The scopes to ask for: to pull this repository, and what the challenge asks for, because some registries know a repository by another
 * path. Anything more than to pull is left out.
 */
function scopesOf(challenge: Challenge, repository: string): string[] {
  const offered = (challenge.parameters.get('scope') ?? '').split(' ').slice(0, 8);
  return [
    ...new Set([
      `repository:${repository}:pull`,
      ...offered.filter((scope) => HARMLESS.test(scope)),
    ]),
  ];
}
