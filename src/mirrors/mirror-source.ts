import { RundleError } from '../errors.js';
import type { Endpoint, MirrorSource } from '../registry/access.js';
import type { Reference } from '../registry/reference.js';
import { type RegistryRule, readRegistriesConf } from './registries-conf.js';

const HOST = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$|^\[[0-9a-f:.]+\](:\d{1,5})?$/;

/**
 * Mirrors, moved and blocked registries as containers-registries.conf(5) describes them. Its search registries and short names do not
 * apply: references follow Docker's rules, so that a name means the same image everywhere. The files are read once, at the
 * first question. Throws as `readRegistriesConf`, and E_USAGE for what is blocked.
 */
export function mirrorSource(
  environment: Readonly<Record<string, string | undefined>>,
): MirrorSource {
  let rules: Promise<RegistryRule[]> | undefined;
  return async (reference) => {
    rules ??= readRegistriesConf(environment);
    return endpointsFor(reference, await rules);
  };
}

/** The places to ask for `reference`, in their order. Errors as `mirrorSource`. */
export function endpointsFor(reference: Reference, rules: readonly RegistryRule[]): Endpoint[] {
  const { host, repository } = reference;
  const name = nameOf(reference);
  const rule = longestMatch(name, rules);
  if (rule === undefined) return [{ host, repository, insecure: false }];
  const { prefix, file } = rule;
  if (rule.blocked) {
    throw new RundleError('E_USAGE', `reading docker://${name}: "${prefix}" is blocked by ${file}`);
  }
  const rest = name.slice(matchedLength(name, prefix));
  const wanted = reference.digest === undefined ? 'tag-only' : 'digest-only';
  const places = rule.mirrors.filter(({ pull }) => pull === 'all' || pull === wanted);
  const origin = { location: rule.location, insecure: rule.insecure };
  return [...places, origin].map(({ location, insecure }) => ({
    ...split(location === undefined ? name : `${location}${rest}`, reference, file),
    insecure,
  }));
}

function nameOf(reference: Reference): string {
  return `${reference.host}/${reference.repository}${suffixOf(reference)}`;
}

function suffixOf({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function longestMatch(name: string, rules: readonly RegistryRule[]): RegistryRule | undefined {
  let best: RegistryRule | undefined;
  for (const rule of rules) {
    if (matchedLength(name, rule.prefix) === 0) continue;
    if (best === undefined || rule.prefix.length > best.prefix.length) best = rule;
  }
  return best;
}

/** How much of `name` the prefix stands for; 0 when it does not fit, or only up to the middle of a word. */
function matchedLength(name: string, prefix: string): number {
  let length = prefix.length;
  if (prefix.startsWith('*.')) {
    const host = name.slice(0, name.search(/[:/]/));
    const suffix = prefix.slice(1);
    if (!host.endsWith(suffix) || host.length === suffix.length) return 0;
    length = host.length;
  } else if (!name.startsWith(prefix)) {
    return 0;
  }
  return length === name.length || /[:/@]/.test(name.charAt(length)) ? length : 0;
}

/** Takes a rewritten name apart. A rule may be made for one tag, but cannot put another in its place. */
function split(
  name: string,
  reference: Reference,
  file: string,
): { host: string; repository: string } {
  const suffix = suffixOf(reference);
  const place = name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : '';
  const slash = place.indexOf('/');
  const [host, repository] = [place.slice(0, Math.max(slash, 0)), place.slice(slash + 1)];
  if (
    !HOST.test(host) ||
    !/^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/.test(repository)
  ) {
    throw new RundleError(
      'E_FORMAT',
      `reading docker://${nameOf(reference)}: ${file} puts "${name}" in its place, which is not the same image elsewhere`,
    );
  }
  return { host, repository };
}
