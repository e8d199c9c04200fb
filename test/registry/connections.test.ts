import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RegistryAccess } from '#rundle/registry/access.js';
import { readCertificates, trustedCertificates } from '#rundle/registry/certificates.js';
import { faultOf } from '../source/support/scratch.js';
import { type Certificates, makeCertificates, tlsOptions } from './support/certificates.js';
import { type Hook, REPOSITORY, startFakeRegistry } from './support/fake-registry.js';
import { freePort } from './support/free-port.js';
import { startProxy, type TestProxy } from './support/proxy.js';
import { pull } from './support/pull.js';
import { makeSample, watchedVault } from './support/sample-contents.js';
import { fail, startServer } from './support/server.js';

const { top, contents } = makeSample('connections');
const vault = watchedVault();
let certificates: Certificates;
let strange: Certificates;
let proxies: TestProxy[];

const makeIn = (name: string, names: string[], days?: number) => {
  mkdirSync(join(top, name));
  return makeCertificates(join(top, name), names, days);
};

beforeAll(() => {
  certificates = makeIn('good', [
    'DNS:registry.example',
    'DNS:tokens.example',
    'IP:127.0.0.1',
    'DNS:localhost',
  ]);
  strange = makeIn('strange', ['DNS:elsewhere.example']);
});
beforeEach(() => {
  proxies = [];
});
afterEach(() => Promise.all(proxies.map((proxy) => proxy.close())));

const authority = () => readFileSync(certificates.authority, 'utf8');

const serve = (made?: Certificates, hook?: Hook) =>
  startFakeRegistry(
    { name: 'registry', vault, ...(made && { tls: tlsOptions(made) }) },
    contents,
    hook,
  );

const proxy = async (
  hosts: Record<string, number>,
  other: { authorization?: string; tls?: { cert: Buffer; key: Buffer } } = {},
) => {
  const started = await startProxy({ vault, hosts, ...other });
  proxies.push(started);
  return started;
};

const pullFrom = (host: string, access: Partial<RegistryAccess> = {}) =>
  pull(top, `${host}/${REPOSITORY}:v1`, access);

const faultFrom = async (host: string, access: Partial<RegistryAccess> = {}) => {
  return vault.faultOf(pullFrom(host, access));
};

describe('TLS', () => {
  it('is verified by an authority that is named', async () => {
    const { host } = await serve(certificates);
    await pullFrom(host, { certificates: [authority()] });
  });

  it.each(['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS'])('is verified by %s', async (name) => {
    const { host } = await serve(certificates);
    await pullFrom(host, { environment: { [name]: certificates.authority } });
  });

  it('is verified by SSL_CERT_DIR, whatever else lies there', async () => {
    const { host } = await serve(certificates);
    const directory = join(top, 'authorities');
    mkdirSync(join(directory, 'below'), { recursive: true });
    writeFileSync(join(directory, 'README'), 'not a certificate');
    writeFileSync(join(directory, 'a.crt'), authority());
    await pullFrom(host, { environment: { SSL_CERT_DIR: `/nowhere:${directory}` } });
  });

  it.each([
    [
      'an unknown authority',
      () => certificates,
      /its certificate is signed by an unknown authority/,
    ],
    ['another host', () => strange, /its certificate is for another host/],
  ])('of %s is refused', async (_name, made, why) => {
    const { host, seen } = await serve(made());
    const trusted = made() === strange ? [readFileSync(strange.authority, 'utf8')] : [];
    const fault = await faultFrom(host, { certificates: trusted });
    expect(fault).toMatch(/^E_NETWORK /);
    expect(fault).toMatch(why);
    expect(fault).toContain('--cacert');
    expect(seen).toEqual([]);
  });

  it('is not verified with --insecure', async () => {
    const { host } = await serve(strange);
    await pullFrom(host, { insecure: true });
  });

  it.each([
    ['is not there', () => join(top, 'missing.pem'), /no such file/],
    [
      'is no certificate',
      () => join(top, 'layout', 'index.json'),
      /there is no certificate in PEM/,
    ],
    ['is a key', () => certificates.key, /there is no certificate in PEM/],
  ])('with a file that %s is E_USAGE', async (_name, path, why) => {
    const fault = await faultOf(readCertificates(path(), '--cacert'));
    expect(fault).toMatch(/^E_USAGE reading the certificates of --cacert/);
    expect(fault).toMatch(why);
    const { host } = await serve(certificates);
    expect(await faultFrom(host, { environment: { SSL_CERT_FILE: path() } })).toMatch(why);
  });

  it("has every certificate once, the system's among them", async () => {
    const all = await trustedCertificates({}, [authority(), authority()]);
    expect(new Set(all).size).toBe(all.length);
    expect(all).toContain(authority().trim());
    expect(all.length).toBeGreaterThan(100);
  });
});

describe('plain HTTP', () => {
  it('is spoken to this machine', async () => {
    const { host } = await serve();
    await pullFrom(host);
  });

  it.each(['registry.example', 'registry.example:5000'])('to %s needs --insecure', async (name) => {
    const { port } = await serve();
    const { port: proxyPort, seen } = await proxy({
      'registry.example:80': port,
      'registry.example:5000': port,
    });
    const environment = {
      HTTP_PROXY: `127.0.0.1:${proxyPort}`,
      HTTPS_PROXY: `127.0.0.1:${proxyPort}`,
    };
    expect(await faultFrom(name, { environment })).toMatch(/^E_NETWORK /);
    expect(seen.every(({ method }) => method === 'CONNECT')).toBe(true);
  });

  it('is spoken with --insecure, where nobody speaks TLS', async () => {
    const { port } = await serve();
    const { port: proxyPort, seen } = await proxy({ 'registry.example:5000': port });
    const environment = {
      HTTP_PROXY: `127.0.0.1:${proxyPort}`,
      HTTPS_PROXY: `127.0.0.1:${proxyPort}`,
    };
    await pullFrom('registry.example:5000', { environment, insecure: true });
    expect(seen.map(({ path }) => path)).toContain(
      `http://registry.example:5000/v2/${REPOSITORY}/manifests/v1`,
    );
  });

  it('carries no credentials to others, not even with --insecure', async () => {
    const { port } = await serve(undefined, (_request, response, seen) => {
      if (seen.path === '/v2/') return false;
      response.setHeader('www-authenticate', 'Basic realm="x"');
      fail(response, 401, 'UNAUTHORIZED');
      return true;
    });
    const { port: proxyPort } = await proxy({ 'registry.example:5000': port });
    const address = `127.0.0.1:${proxyPort}`;
    const fault = await faultFrom('registry.example:5000', {
      environment: { HTTP_PROXY: address, HTTPS_PROXY: address },
      insecure: true,
      credentials: async () => ({
        username: 'rider',
        password: vault.secret('correct-horse', 'nobody'),
      }),
    });
    expect(fault).toMatch(/^E_AUTH .*wants credentials over plain HTTP/);
  });
});

describe('proxies', () => {
  const authorization = `Basic ${Buffer.from('joe:p@ss:word').toString('base64')}`;
  const at = (port: number) => `http://joe:p%40ss%3Aword@127.0.0.1:${port}`;

  it('pass TLS on, with credentials for the registry inside alone', async () => {
    vault.secret('correct-horse', 'tokens');
    const tokens = await startServer(
      { name: 'tokens', vault, tls: tlsOptions(certificates) },
      (_request, response) => {
        response.end(JSON.stringify({ token: vault.secret('token-for-a-pull', 'registry') }));
      },
    );
    const registry = await serve(certificates, (_request, response, seen) => {
      if (seen.headers.authorization === 'Bearer token-for-a-pull') return false;
      response.setHeader('www-authenticate', 'Bearer realm="https://tokens.example/token"');
      fail(response, 401, 'UNAUTHORIZED');
      return true;
    });
    const { port, seen } = await proxy(
      { 'registry.example:443': registry.port, 'tokens.example:443': tokens.port },
      { authorization },
    );
    vault.secret('p@ss:word', 'proxy');
    await pullFrom('registry.example', {
      environment: { https_proxy: at(port) },
      certificates: [authority()],
      credentials: async () => ({ username: 'rider', password: 'correct-horse' }),
    });
    expect(new Set(seen.map(({ method, path }) => `${method} ${path}`))).toEqual(
      new Set(['CONNECT registry.example:443', 'CONNECT tokens.example:443']),
    );
    expect(tokens.seen).toHaveLength(1);
  });

  it('may be spoken to by TLS', async () => {
    const registry = await serve(certificates);
    const { port, seen } = await proxy(
      { 'registry.example:443': registry.port },
      { tls: tlsOptions(certificates) },
    );
    await pullFrom('registry.example', {
      environment: { HTTPS_PROXY: `https://localhost:${port}` },
      certificates: [authority()],
    });
    expect(seen.length).toBeGreaterThan(0);
  });

  it('that want credentials say so, without repeating what was tried', async () => {
    const { port } = await proxy({}, { authorization });
    vault.secret('hers', 'proxy');
    const fault = await faultFrom('registry.example', {
      environment: { HTTPS_PROXY: `http://she:hers@127.0.0.1:${port}` },
    });
    expect(fault).toMatch(/^E_NETWORK .*the proxy wants credentials/);
  });

  it('that refuse the host say so', async () => {
    const { port } = await proxy({});
    expect(
      await faultFrom('registry.example', { environment: { HTTPS_PROXY: `127.0.0.1:${port}` } }),
    ).toMatch(/^E_NETWORK .*registry.example: the proxy does not connect to it \(status 403\)/);
  });

  it('that are not there say so', async () => {
    const fault = await faultFrom('registry.example', {
      environment: { HTTPS_PROXY: `127.0.0.1:${await freePort()}` },
    });
    expect(fault).toMatch(/^E_NETWORK .*refuses the connection.*HTTPS_PROXY/);
  });

  it('are left out for this machine, and for what NO_PROXY names', async () => {
    const registry = await serve();
    const { port, seen } = await proxy({});
    const address = `127.0.0.1:${port}`;
    await pullFrom(registry.host, { environment: { HTTP_PROXY: address, HTTPS_PROXY: address } });
    const environment = { HTTPS_PROXY: address, NO_PROXY: 'invalid' };
    expect(await faultFrom('registry.invalid', { environment })).toMatch(
      /the host is not known|cannot be looked up/,
    );
    expect(seen).toEqual([]);
  });

  it('of other kinds are E_USAGE', async () => {
    expect(
      await faultFrom('registry.example', { environment: { HTTPS_PROXY: 'socks5://127.0.0.1:1' } }),
    ).toMatch(/^E_USAGE HTTPS_PROXY is not the address of an HTTP proxy/);
  });
});

describe('hosts', () => {
  it('that do not exist', async () => {
    expect(await faultFrom('registry.invalid')).toMatch(
      /^E_NETWORK reading docker:\/\/registry.invalid\/.*: registry.invalid: (the host is not known|its name cannot be looked up now)/,
    );
  });

  it('that refuse the connection', async () => {
    expect(await faultFrom(`127.0.0.1:${await freePort()}`)).toMatch(
      /^E_NETWORK .*it refuses the connection/,
    );
  });

  it('that speak something else', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume().end('220 mail.example ESMTP\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const fault = await faultFrom(`127.0.0.1:${port}`);
    await new Promise((resolve) => server.close(resolve));
    expect(fault).toMatch(/^E_NETWORK .*what it answers is not HTTP/);
  });
});
