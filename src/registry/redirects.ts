import { RundleError } from '../errors.js';
import { isLoopback } from './endpoint.js';
import type { Answer, Connections, Request } from './exchange.js';

/** Storage behind a registry needs one or two. */
const MAX_REDIRECTS = 5;

const REDIRECT: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** An answer, and whether it came from the origin that was asked first. */
export interface FollowedAnswer extends Answer {
  fromOrigin: boolean;
}

/**
 * Sends a GET request and follows redirects: to http(s) alone, to plain HTTP only where the request itself went there or `insecure` allows it,
 * with no credentials once another origin was named. Throws E_NETWORK for a redirect that may not be followed, and as `Connections.send`.
 */
export async function follow(
  connections: Connections,
  request: Request,
  where: string,
): Promise<FollowedAnswer> {
  const { origin } = request.url;
  let { url, headers } = request;
  let fromOrigin = true;
  for (let hops = 0; ; hops += 1) {
    const answer = await connections.send({ ...request, url, headers }, where);
    if (request.method !== 'GET' || !REDIRECT.has(answer.status)) return { ...answer, fromOrigin };
    await answer.discard();
    if (hops === MAX_REDIRECTS) {
      throw new RundleError(
        'E_NETWORK',
        `${where}: ${request.url.host} redirects more than ${MAX_REDIRECTS} times`,
      );
    }
    url = target(answer, request, where);
    if (url.origin !== origin) {
      // For good: what comes back from elsewhere is not the origin's own wish any more.
      fromOrigin = false;
      headers = withoutCredentials(headers);
    }
  }
}

/** Whether plain HTTP to `url` may be used at all. */
export function mayBePlain(url: URL, insecure: boolean): boolean {
  return insecure || isLoopback(url.hostname);
}

function target(answer: Answer, request: Request, where: string): URL {
  const fail = (why: string, hint?: string) =>
    new RundleError('E_NETWORK', `${where}: ${answer.url.host} ${why}`, {
      ...(hint !== undefined && { hint }),
    });
  const location = answer.header('location');
  if (location === undefined || !URL.canParse(location, answer.url.href)) {
    throw fail('redirects to a place that is no URL');
  }
  const url = new URL(location, answer.url);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw fail(`redirects to a ${url.protocol} URL, which is not followed`);
  }
  if (url.protocol === 'http:') {
    const downgraded = answer.url.protocol === 'https:';
    if (!request.insecure && (downgraded || !mayBePlain(url, false))) {
      throw fail(
        `redirects to ${url.host} by plain HTTP, which is not followed`,
        '--insecure allows it',
      );
    }
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !['authorization', 'cookie'].includes(name.toLowerCase()),
    ),
  );
}
