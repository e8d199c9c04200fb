import { RundleError } from '../errors.js';
import type { Endpoint } from './access.js';
import { DOCKER_HUB, isRegistryHost, isRepository } from './reference.js';

/** The server behind Docker Hub's name. */
const HUB_SERVER = 'registry-1.docker.io';

/** The root of an endpoint's API by one protocol. Throws E_USAGE for a host or repository that is none. */
export function endpointUrl({ host, repository }: Endpoint, protocol: 'https:' | 'http:'): URL {
  if (isRegistryHost(host) && isRepository(repository)) {
    return new URL(`${protocol}//${host === DOCKER_HUB ? HUB_SERVER : host}/`);
  }
  throw new RundleError(
    'E_USAGE',
    `pulling from ${JSON.stringify(`${host}/${repository}`)}: it is not a repository`,
  );
}

/**
 * True for an address of this very machine: `localhost` and names below it, 127.0.0.0/8, ::1. `hostname` as URL gives it: lower case, IPv6 in
 * brackets, IPv4 in its usual form.
 */
export function isLoopback(hostname: string): boolean {
  return (
    /^(?:.*\.)?localhost\.?$/.test(hostname) ||
    /^127(?:\.\d{1,3}){3}$/.test(hostname) ||
    hostname === '[::1]' ||
    hostname === '[::ffff:7f00:1]'
  );
}
