import * as v from 'valibot';
import { RundleError } from '../errors.js';
import { check, parseJson } from '../oci/document.js';
import { object } from '../schema.js';
import type { Credentials } from './access.js';
import { readAnswer } from './answer-body.js';
import { isLoopback } from './endpoint.js';
import type { Answer, Connections } from './exchange.js';
import { PassingFault, retryAfter } from './patience.js';
import { follow } from './redirects.js';

/** Tokens are some kilobytes at most. */
const MAX_TOKEN_ANSWER = 256 * 1024;

/** What a token is asked for with. */
export interface TokenRequest {
  /** The challenge's `realm`. */
  realm: string;
  service: string | undefined;
  scopes: readonly string[];
  /** The URL whose answer the challenge came with. */
  registry: URL;
  credentials: Credentials | undefined;
  insecure: boolean;
}

/** A field that may go into a header: what a JWT or an opaque token is made of. */
const token = v.pipe(v.string(), v.regex(/^[\x21-\x7e]+$/));
const schema = object({ token: v.nullish(token), access_token: v.nullish(token) });

/**
 * Gets a token from the server that a registry's challenge names: by GET with the user's name and password or without
 * any, and by POST with an identity token (distribution's token specification, and its OAuth2 variant). `where` begins messages. Throws
 * E_AUTH when credentials are refused or must not be sent there, E_NETWORK when the server gives no token.
 */
export async function fetchToken(
  connections: Connections,
  request: TokenRequest,
  where: string,
): Promise<string> {
  const url = realmUrl(request, where);
  const what = `${where}: getting a token from ${url.host}`;
  const answer = await ask(connections, request, url, what);
  const { status } = answer;
  if (status === 200) {
    const bytes = await readAnswer(answer, MAX_TOKEN_ANSWER, what);
    return tokenIn(bytes, what);
  }
  await answer.discard();
  if ([400, 401, 403].includes(status) && request.credentials !== undefined) {
    throw refused(`${what}: it refuses the credentials (status ${status})`);
  }
  const fault = new RundleError('E_NETWORK', `${what}: it answers with status ${status}`);
  if (status !== 429 && status < 500) throw fault;
  throw new PassingFault(fault, retryAfter(answer.header('retry-after'), Date.now()));
}

/** An error says nothing about what was there instead, not even by its cause: it may be a token. */
function tokenIn(bytes: Buffer, what: string): string {
  let document: v.InferOutput<typeof schema>;
  try {
    document = check(schema, parseJson(bytes, what), what);
  } catch (error) {
    throw new RundleError('E_FORMAT', (error as RundleError).message);
  }
  const found = document.token || document.access_token;
  if (found) return found;
  throw new RundleError('E_NETWORK', `${what}: there is none in its answer`);
}

/** The E_AUTH error for credentials that a server did not take. */
export function refused(message: string): RundleError {
  return new RundleError('E_AUTH', message, {
    hint: 'log in again (docker login, podman login), or give --username NAME and --password-stdin',
  });
}

async function ask(
  connections: Connections,
  { service, scopes, credentials, insecure }: TokenRequest,
  url: URL,
  what: string,
): Promise<Answer> {
  if (credentials !== undefined && 'identityToken' in credentials) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.identityToken,
      client_id: 'rundle',
      scope: scopes.join(' '),
      ...(service !== undefined && { service }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const post = { method: 'POST' as const, url, headers, body: form.toString(), insecure };
    return connections.send(post, what);
  }
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const headers: Record<string, string> = {};
  if (credentials !== undefined && 'password' in credentials) {
    url.searchParams.set('account', credentials.username);
    headers.authorization = basic(credentials);
  }
  return follow(connections, { method: 'GET', url, headers, insecure }, what);
}

/** The field of basic authentication (RFC 7617, in UTF-8). */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

/**
 * A registry over TLS may name any token server over TLS: that is how Docker Hub does it. One on this machine may name one on this
 * machine. Credentials go nowhere else, and without them plain HTTP needs `--insecure`.
 */
function realmUrl({ realm, registry, credentials, insecure }: TokenRequest, where: string): URL {
  const fail = (why: string, hint?: string) =>
    new RundleError('E_AUTH', `${where}: ${registry.host} ${why}`, {
      ...(hint !== undefined && { hint }),
    });
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined || !['https:', 'http:'].includes(url.protocol)) {
    throw fail('names a token server that is no http(s) URL');
  }
  if (url.username !== '' || url.password !== '') {
    throw fail('names a token server with credentials in its URL');
  }
  url.hash = '';
  const isLocal = isLoopback(registry.hostname);
  const plain = url.protocol === 'http:' && !(isLocal && isLoopback(url.hostname));
  if (plain && !insecure) {
    throw fail(
      `names the token server ${url.host}, which is asked by plain HTTP`,
      '--insecure allows it',
    );
  }
  const isTrusted = registry.protocol === 'https:' || isLocal;
  if (credentials !== undefined && (plain || !isTrusted)) {
    throw fail(
      `wants credentials sent to ${url.host} where others can read them`,
      'credentials go over TLS only; give none when the image is public',
    );
  }
  return url;
}
