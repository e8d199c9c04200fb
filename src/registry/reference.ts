import { RundleError } from '../errors.js';
import { type Digest, parseDigest } from '../oci/digest.js';

/** An image in a registry, after Docker's rules for short names were applied. */
export interface Reference {
  /** `HOST[:PORT]`, in lower case; `docker.io` for Docker Hub. */
  host: string;
  /** The repository's full path: `library/ubuntu`. */
  repository: string;
  /** Undefined only when there is a digest. */
  tag?: string;
  /** Pins the manifest or index. */
  digest?: Digest;
  /** Whose credentials are to be used. */
  username?: string;
}

/** How Docker Hub is called in references, whatever its servers are called. */
export const DOCKER_HUB = 'docker.io';

const HUB_ALIASES: ReadonlySet<string> = new Set([
  DOCKER_HUB,
  'index.docker.io',
  'registry-1.docker.io',
]);

const HOST =
  /^(?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\.(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?))*|\[[0-9a-f:.]+\])(?::\d{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
/** Distribution spec, "Pull": most registries allow no longer name. */
const MAX_NAME = 255;

/** True for `HOST[:PORT]` as it may stand in a reference: a name, an IPv4 address, or an IPv6 address in brackets; lower case. */
export function isRegistryHost(text: string): boolean {
  return (
    text.length <= MAX_NAME && HOST.test(text) && Number(/:(\d+)$/.exec(text)?.[1] ?? 1) < 65_536
  );
}

/** True for the path of a repository: components of lower-case letters, digits and single separators. */
export function isRepository(text: string): boolean {
  return text.length <= MAX_NAME && text.split('/').every((component) => COMPONENT.test(component));
}

/**
 * Reads what stands behind `docker://`: `[HOST[:PORT]/]NAME[:TAG][@DIGEST]` with Docker's rules (no host, or a first component that cannot
 * be one, means Docker Hub; a single name there lies in `library`; no tag and no digest means `latest`), or Enroot's
 * `[USER@][HOST#]NAME[:TAG][@DIGEST]`. Throws E_USAGE that says which part is wrong.
 */
export function parseReference(text: string): Reference {
  const fail = (why: string, hint?: string) =>
    new RundleError(
      'E_USAGE',
      `reading the reference ${JSON.stringify(text.slice(0, 300))}: ${why}`,
      {
        ...(hint !== undefined && { hint }),
      },
    );
  if (text.includes('://')) throw fail('it is a URL', 'write docker://HOST/NAME:TAG');
  const { username, host: named, rest } = takeUserAndHost(text, fail);
  const { name, tag, digest } = takeTagAndDigest(rest, text);
  const { host, path } = named === undefined ? splitHost(name) : { host: named, path: name };
  const known = HUB_ALIASES.has(host.toLowerCase()) ? DOCKER_HUB : host.toLowerCase();
  if (!isRegistryHost(known)) throw fail(`${JSON.stringify(host)} is not a host name`);
  const repository =
    known === DOCKER_HUB && path !== '' && !path.includes('/') ? `library/${path}` : path;
  if (path === '') throw fail('it has no name');
  if (!isRepository(repository)) {
    if (isRepository(repository.toLowerCase())) {
      throw fail('the name of a repository is in lower case', `write ${path.toLowerCase()}`);
    }
    throw fail(`${JSON.stringify(path)} is not the name of a repository`);
  }
  if (named === undefined && /^[0-9a-f]{64}$/.test(name)) {
    throw fail(
      '64 hex digits are an image id, which no registry knows',
      'write NAME@sha256:DIGITS',
    );
  }
  if (tag !== undefined && !TAG.test(tag)) throw fail(`${JSON.stringify(tag)} is not a tag`);
  return {
    host: known,
    repository,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
    ...(tag === undefined && digest === undefined && { tag: 'latest' }),
    ...(username !== undefined && { username }),
  };
}

/** `HOST/REPOSITORY[:TAG][@DIGEST]`: the reference in full, without the user. */
export function formatReference({ host, repository, tag, digest }: Reference): string {
  return `${host}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function takeUserAndHost(
  text: string,
  fail: (why: string) => RundleError,
): { username?: string; host?: string; rest: string } {
  const hash = text.indexOf('#');
  const head = hash < 0 ? text : text.slice(0, hash);
  // Behind an @ without a # there may be a digest as well.
  const at = hash < 0 ? (/@(?!sha\d+:)/i.exec(text)?.index ?? -1) : head.lastIndexOf('@');
  const username = at < 0 ? undefined : text.slice(0, at);
  if (username !== undefined && !/^[^\s:/@#\p{Cc}]{1,256}$/u.test(username)) {
    throw fail('the part before the @ is not the name of a user');
  }
  return {
    ...(username !== undefined && { username }),
    ...(hash >= 0 && { host: head.slice(at + 1) }),
    rest: text.slice(hash < 0 ? at + 1 : hash + 1),
  };
}

function takeTagAndDigest(
  rest: string,
  text: string,
): { name: string; tag?: string; digest?: Digest } {
  const at = rest.indexOf('@');
  const before = at < 0 ? rest : rest.slice(0, at);
  const colon = before.lastIndexOf(':');
  const hasTag = colon > before.lastIndexOf('/');
  return {
    name: hasTag ? before.slice(0, colon) : before,
    ...(hasTag && { tag: before.slice(colon + 1) }),
    ...(at >= 0 && { digest: digestOrFail(rest.slice(at + 1), text) }),
  };
}

function digestOrFail(digest: string, text: string): Digest {
  try {
    return parseDigest(digest, `reading the reference ${JSON.stringify(text.slice(0, 300))}`);
  } catch (cause) {
    const { message, hint } = cause as RundleError;
    throw new RundleError('E_USAGE', message, { cause, ...(hint !== undefined && { hint }) });
  }
}

/** The first component is a host when nothing else can be meant: it has a dot, a port or a capital, or is `localhost`. */
function splitHost(name: string): { host: string; path: string } {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = /[.:A-Z]/.test(first) || first === 'localhost';
  return isHost ? { host: first, path: name.slice(slash + 1) } : { host: DOCKER_HUB, path: name };
}
