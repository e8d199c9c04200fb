import { BlockList, isIP } from 'node:net';
import { RundleError } from '../errors.js';
import { isLoopback } from './endpoint.js';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment names for `url`: `https_proxy` or `http_proxy` by the URL's protocol, unless `no_proxy` lists its host.
 * The names in lower case count first. This machine itself is never asked through a proxy. Throws E_USAGE for a proxy that is not `http:`
 * or `https:`, without repeating its address, which may hold a password.
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const text = variable(environment, name);
  if (text === undefined || isLoopback(url.hostname)) return undefined;
  if (isExempt(url, variable(environment, 'no_proxy') ?? '')) return undefined;
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy;
  throw new RundleError('E_USAGE', `${name.toUpperCase()} is not the address of an HTTP proxy`, {
    hint: 'write it as http://HOST:PORT',
  });
}

function variable(environment: Environment, name: string): string | undefined {
  return environment[name]?.trim() || environment[name.toUpperCase()]?.trim() || undefined;
}

/**
 * Whether a list such as `.example.org,10.0.0.0/8,host:8080` covers the URL: `*` is everything, a name covers itself and what is below it,
 * one with a dot or `*.` in front only what is below, addresses and networks cover addresses, a port must be the same.
 */
function isExempt(url: URL, list: string): boolean {
  const hostname = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return list
    .split(/[\s,]+/)
    .some((entry) => entry !== '' && covers(entry.toLowerCase(), hostname, port));
}

function covers(entry: string, hostname: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return coversNetwork(entry, hostname);
  const [, address = '', wanted] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
  if (wanted !== undefined && isIP(entry) === 0 && wanted !== port) return false;
  const name = isIP(entry) === 0 ? address.replace(/^\[|\]$/g, '') : entry;
  if (isIP(name) !== 0) return sameAddress(name, hostname);
  const below = name.replace(/^\*?\./, '').replace(/\.$/, '');
  if (below === '') return false;
  return (
    hostname.endsWith(`.${below}`) || (below === name.replace(/\.$/, '') && hostname === below)
  );
}

function coversNetwork(entry: string, hostname: string): boolean {
  const [network = '', length = ''] = entry.split('/');
  const [family, bits] = [isIP(network), Number(length)];
  if (family === 0 || isIP(hostname) !== family || !/^\d{1,3}$/.test(length)) return false;
  if (bits > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family === 4 ? 'ipv4' : 'ipv6');
  return list.check(hostname, family === 4 ? 'ipv4' : 'ipv6');
}

function sameAddress(address: string, hostname: string): boolean {
  return coversNetwork(`${address}/${isIP(address) === 4 ? 32 : 128}`, hostname);
}
