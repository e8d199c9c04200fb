import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RegistryAccess } from '#rundle/registry/access.js';
import { makeCertificates, tlsOptions } from './support/certificates.js';
import { REPOSITORY, startFakeRegistry } from './support/fake-registry.js';
import { pull } from './support/pull.js';
import { makeSample, watchedVault } from './support/sample-contents.js';
import { fail, startServer, type TestServer } from './support/server.js';

const PASSWORD = 'correct-horse-battery';
const AUTHORIZATION = `Basic ${Buffer.from(`rider:${PASSWORD}`).toString('base64')}`;

const { top, contents } = makeSample('redirects');
const vault = watchedVault();
let tls: { cert: Buffer; key: Buffer };
let authority: string;

beforeAll(() => {
  const made = makeCertificates(top, ['IP:127.0.0.1']);
  tls = tlsOptions(made);
  authority = readFileSync(made.authority, 'utf8');
});
beforeEach(() => {
  vault.secret(PASSWORD, 'registry');
});

/** A registry that wants a password, and then sends requests for blobs to `location`. */
function startRegistry(location: (path: string) => string, status = 307, secure = false) {
  return startFakeRegistry(
    { name: 'registry', vault, ...(secure && { tls }) },
    contents,
    (_request, response, { path, headers }) => {
      if (path === '/v2/') return false;
      if (headers.authorization !== AUTHORIZATION) {
        response.setHeader('www-authenticate', 'Basic realm="x"');
        fail(response, 401, 'UNAUTHORIZED');
        return true;
      }
      if (!path.includes('/blobs/')) return false;
      response.writeHead(status, { location: location(path) }).end('go there');
      return true;
    },
  );
}

/** Storage of the kind that registries send their clients to; it does as the registry otherwise. */
const startStorage = (address = '127.0.0.2') =>
  startFakeRegistry({ name: 'storage', vault, address }, contents, (_request, _response, seen) => {
    seen.path = seen.path.replace(/\?.*/, '');
    return false;
  });

const access: Partial<RegistryAccess> = {
  credentials: async () => ({ username: 'rider', password: PASSWORD }),
};

async function faultFrom({ host }: TestServer, other: Partial<RegistryAccess> = {}) {
  return vault.faultOf(pull(top, `${host}/${REPOSITORY}:v1`, { ...access, ...other }));
}

describe('redirects', () => {
  it.each([301, 302, 303, 307, 308])('by %i are followed without credentials', async (status) => {
    const storage = await startStorage();
    const { host } = await startRegistry((path) => `${storage.origin}${path}?signature=s`, status);
    await pull(top, `${host}/${REPOSITORY}:v1`, access);
    expect(storage.seen.length).toBeGreaterThanOrEqual(4);
    for (const { headers } of storage.seen) {
      expect(headers.authorization).toBeUndefined();
      expect(headers.host).toBe(storage.host);
    }
  });

  it('on the same host to another port are to somebody else', async () => {
    const storage = await startStorage('127.0.0.1');
    const { host } = await startRegistry((path) => `${storage.origin}${path}`);
    await pull(top, `${host}/${REPOSITORY}:v1`, access);
    expect(storage.seen.length).toBeGreaterThan(0);
  });

  it('within a registry keep the credentials', async () => {
    let count = 0;
    const registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/') return false;
        if (seen.headers.authorization !== AUTHORIZATION) {
          response.setHeader('www-authenticate', 'Basic realm="x"');
          fail(response, 401, 'UNAUTHORIZED');
          return true;
        }
        if (!seen.path.includes('/blobs/') || seen.path.includes('?')) {
          seen.path = seen.path.replace(/\?.*/, '');
          return false;
        }
        count += 1;
        // Relative, as RFC 9110 allows.
        response.writeHead(302, { location: `${seen.path}?there` }).end();
        return true;
      },
    );
    await pull(top, `${registry.host}/${REPOSITORY}:v1`, access);
    expect(count).toBe(4);
  });

  it('that come back get no credentials any more', async () => {
    let registry: TestServer;
    const storage = await startServer(
      { name: 'storage', vault, address: '127.0.0.2' },
      (_request, response, seen) => {
        response.writeHead(302, { location: `${registry.origin}${seen.path}?back` }).end();
      },
    );
    const returned: (string | undefined)[] = [];
    registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/') return false;
        if (seen.path.endsWith('?back')) returned.push(seen.headers.authorization);
        if (seen.headers.authorization !== AUTHORIZATION) {
          response.setHeader('www-authenticate', 'Basic realm="x"');
          fail(response, 401, 'UNAUTHORIZED');
          return true;
        }
        if (!seen.path.includes('/blobs/')) return false;
        response.writeHead(302, { location: `${storage.origin}${seen.path}` }).end();
        return true;
      },
    );
    expect(await faultFrom(registry)).toMatch(/^E_NETWORK .*redirects to, refuses \(status 401/);
    expect(new Set(returned)).toEqual(new Set([undefined]));
  });

  it('that storage refuses are not about credentials', async () => {
    const storage = await startServer(
      { name: 'storage', vault, address: '127.0.0.2' },
      (_request, response) => {
        response.setHeader('www-authenticate', 'Basic realm="give it to me"');
        fail(response, 401, 'DENIED');
      },
    );
    const registry = await startRegistry((path) => `${storage.origin}${path}?signature=hidden`);
    const fault = await faultFrom(registry);
    expect(fault).toMatch(
      /^E_NETWORK .*, where .* redirects to, refuses \(status 401, DENIED\); tried 3 times/,
    );
    expect(fault).not.toContain('hidden');
  });

  it('without end are given up', async () => {
    const registry = await startRegistry((path) => path);
    expect(await faultFrom(registry)).toMatch(/^E_NETWORK .* redirects more than 5 times/);
  });

  it.each([
    ['file:///etc/passwd', /redirects to a file: URL, which is not followed/],
    ['ftp://127.0.0.1/x', /redirects to a ftp: URL/],
    ['data:,x', /redirects to a data: URL/],
    ['http://', /a place that is no URL/],
    ['http://10.0.0.1/x', /redirects to 10.0.0.1 by plain HTTP, which is not followed/],
    ['http://registry.example/x', /redirects to registry.example by plain HTTP/],
  ])('to %s are refused', async (location, why) => {
    const registry = await startRegistry(() => location);
    const fault = await faultFrom(registry);
    expect(fault).toMatch(/^E_NETWORK /);
    expect(fault).toMatch(why);
  });

  it('without a place are refused', async () => {
    const registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => {
        if (!seen.path.includes('/manifests/')) return false;
        response.writeHead(307).end();
        return true;
      },
    );
    expect(await faultFrom(registry)).toMatch(/a place that is no URL/);
  });

  it('with credentials in the URL send none', async () => {
    const storage = await startStorage();
    const { host } = await startRegistry(
      (path) => `${storage.origin.replace('//', `//x:${vault.secret('hers', 'nobody')}@`)}${path}`,
    );
    await pull(top, `${host}/${REPOSITORY}:v1`, access);
  });

  it('from TLS to plain HTTP are refused, also to this machine', async () => {
    const storage = await startStorage();
    const registry = await startRegistry((path) => `${storage.origin}${path}`, 307, true);
    const certificates = [authority];
    expect(await faultFrom(registry, { certificates })).toMatch(
      /by plain HTTP, which is not followed/,
    );
    expect(storage.seen).toEqual([]);
    await pull(top, `${registry.host}/${REPOSITORY}:v1`, {
      ...access,
      certificates,
      insecure: true,
    });
  });
});
