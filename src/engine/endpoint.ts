import { userInfo } from 'node:os';
import { join } from 'node:path';
import { RundleError } from '../errors.js';

/** What the engines take from their environment. */
export type EngineEnvironment = Readonly<Record<string, string | undefined>>;

/** Where an engine listens. */
export type Endpoint =
  | { kind: 'unix'; path: string }
  | { kind: 'tcp'; host: string; port: number; tls?: { directory: string } };

/** Ports of Docker's engine, plain and with TLS. */
const PLAIN_PORT = 2375;
const TLS_PORT = 2376;

/**
 * Where Docker's engine may listen, in the order of trying: `DOCKER_HOST` alone when it is set, as for the docker command, else the system's socket and the user's own. Throws
 * E_USAGE for an address that cannot be used.
 */
export function dockerEndpoints(environment: EngineEnvironment): Endpoint[] {
  const { DOCKER_HOST: host, XDG_RUNTIME_DIR: runtime } = environment;
  if (host) return [parseAddress(host, 'DOCKER_HOST', environment)];
  return [
    { kind: 'unix', path: '/var/run/docker.sock' },
    ...(runtime ? [{ kind: 'unix' as const, path: join(runtime, 'docker.sock') }] : []),
  ];
}

/**
 * Where podman's service may listen: `CONTAINER_HOST` alone when it is set, else the user's own socket before the system's. Throws E_USAGE for an address that
 * cannot be used.
 */
export function podmanEndpoints(environment: EngineEnvironment): Endpoint[] {
  const { CONTAINER_HOST: host, XDG_RUNTIME_DIR: runtime } = environment;
  if (host) return [parseAddress(host, 'CONTAINER_HOST', environment)];
  const directories = [runtime, `/run/user/${userInfo().uid}`, '/run'];
  const paths = directories.flatMap((directory) =>
    directory ? [join(directory, 'podman/podman.sock')] : [],
  );
  return [...new Set(paths)].map((path) => ({ kind: 'unix', path }));
}

/** An endpoint for messages, as the variable would name it. */
export function endpointText(endpoint: Endpoint): string {
  return endpoint.kind === 'unix' ? endpoint.path : `tcp://${endpoint.host}:${endpoint.port}`;
}

function parseAddress(text: string, variable: string, environment: EngineEnvironment): Endpoint {
  const fault = (why: string, hint: string) =>
    new RundleError('E_USAGE', `${variable}=${JSON.stringify(text)}: ${why}`, { hint });
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme === 'unix' && rest.startsWith('/')) return { kind: 'unix', path: rest };
  if (scheme === 'ssh') {
    throw fault(
      'an engine behind ssh cannot be asked directly',
      `ssh ${rest.replace(/[^A-Za-z0-9@.:_-].*$/s, '')} docker save IMAGE | rundle build - -o IMAGE.run`,
    );
  }
  if (scheme === 'tcp' || scheme === 'http' || scheme === 'https') {
    const address = parseHost(rest);
    const tls = scheme === 'http' ? undefined : certificates(scheme, environment);
    if (address !== undefined) {
      const { host, port = tls === undefined ? PLAIN_PORT : TLS_PORT } = address;
      return { kind: 'tcp', host, port, ...(tls && { tls }) };
    }
  }
  throw fault('it is no address of an engine', 'write unix:///PATH or tcp://HOST:PORT');
}

function parseHost(text: string): { host: string; port?: number } | undefined {
  let url: URL;
  try {
    url = new URL(`http://${text}`);
  } catch {
    return undefined;
  }
  // The parser drops the port that http has by default.
  const port = /:(\d{1,5})\/?$/.exec(text)?.[1];
  const plain = url.pathname === '/' && url.search === '' && url.hash === '';
  if (!plain || url.username !== '' || url.password !== '' || url.hostname === '') return undefined;
  return { host: url.hostname, ...(port !== undefined && { port: Number(port) }) };
}

/** As the docker command: DOCKER_TLS_VERIFY or DOCKER_CERT_PATH ask for TLS. What is asked for is verified. */
function certificates(
  scheme: string,
  { DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, HOME }: EngineEnvironment,
): { directory: string } | undefined {
  if (!DOCKER_TLS_VERIFY && !DOCKER_CERT_PATH && scheme !== 'https') return undefined;
  return { directory: DOCKER_CERT_PATH || join(HOME ?? '/', '.docker') };
}
