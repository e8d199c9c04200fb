import { describe, expect, it } from 'vitest';
import type { RegistryAccess } from '#rundle/registry/access.js';
import { basicOf, challenge, credentialsFor } from './support/challenges.js';
import { REPOSITORY, startFakeRegistry } from './support/fake-registry.js';
import { pull } from './support/pull.js';
import { makeSample, watchedVault } from './support/sample-contents.js';
import { fail, type Handler, startServer, type TestServer } from './support/server.js';
import type { Seen } from './support/vault.js';

const USER = 'rider';
const PASSWORD = 'correct-horse-battery';
const IDENTITY = 'identity-of-the-rider';
const { top, contents } = makeSample('authentication');
const vault = watchedVault();

/** A token server that lets in whom `admits` says, with a token the vault knows; tokens end with their number. */
function startTokenServer(admits: (seen: Seen) => boolean, address?: string): Promise<TestServer> {
  let count = 0;
  return startServer(
    { name: 'token', vault, ...(address && { address }) },
    (_request, response, seen) => {
      if (!admits(seen)) {
        fail(response, 401, 'UNAUTHORIZED');
        return;
      }
      count += 1;
      const token = vault.secret(`token-for-a-pull-${count}`, 'registry');
      response.end(JSON.stringify(count % 2 === 1 ? { token } : { access_token: token }));
    },
  );
}

/** A registry that wants a token of `realm`; `accepts` sees the token's number. */
function startBearerRegistry(
  realm: () => string,
  accepts: (number: number) => boolean = () => true,
): Promise<TestServer> {
  return startFakeRegistry({ name: 'registry', vault }, contents, (_request, response, seen) => {
    if (seen.path === '/v2/') return false;
    const number = /^Bearer token-for-a-pull-(\d+)$/.exec(seen.headers.authorization ?? '')?.[1];
    if (number !== undefined && accepts(Number(number))) return false;
    return challenge(
      response,
      `Bearer realm="${realm()}",service="the registry",scope="repository:${REPOSITORY}:pull"`,
    );
  });
}

const reference = ({ host }: TestServer) => `${host}/${REPOSITORY}:v1`;

/** Pulls; whatever comes of it may not show a secret. */
async function pullFrom(registry: TestServer, access: Partial<RegistryAccess> = {}) {
  return pull(top, reference(registry), access);
}

async function faultFrom(registry: TestServer, access: Partial<RegistryAccess> = {}) {
  return vault.faultOf(pullFrom(registry, access));
}

describe('a token', () => {
  it('is got without credentials where there are none', async () => {
    const tokens = await startTokenServer(({ headers }) => headers.authorization === undefined);
    const registry = await startBearerRegistry(() => `${tokens.origin}/token?already=there`);
    await pullFrom(registry);
    expect(tokens.seen).toHaveLength(1);
    const url = new URL(tokens.seen[0]?.path ?? '', tokens.origin);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      already: 'there',
      service: 'the registry',
      scope: `repository:${REPOSITORY}:pull`,
    });
  });

  it('is got with name and password, which the registry never sees', async () => {
    vault.secret(PASSWORD, 'token');
    const tokens = await startTokenServer(
      ({ headers }) => headers.authorization === basicOf(USER, PASSWORD),
    );
    const registry = await startBearerRegistry(() => `${tokens.origin}/token`);
    const { source } = credentialsFor(() => registry.host, { username: USER, password: PASSWORD });
    await pullFrom(registry, { credentials: source });
    expect(new URL(tokens.seen[0]?.path ?? '', tokens.origin).searchParams.get('account')).toBe(
      USER,
    );
  });

  it('is got with an identity token by a form', async () => {
    vault.secret(IDENTITY, 'token');
    const tokens = await startTokenServer(({ method, body }) => {
      const form = new URLSearchParams(body);
      return method === 'POST' && form.get('refresh_token') === IDENTITY;
    });
    const registry = await startBearerRegistry(() => `${tokens.origin}/token`);
    const { source } = credentialsFor(() => registry.host, { identityToken: IDENTITY });
    await pullFrom(registry, { credentials: source });
    expect(Object.fromEntries(new URLSearchParams(tokens.seen[0]?.body))).toEqual({
      grant_type: 'refresh_token',
      refresh_token: IDENTITY,
      client_id: 'rundle',
      service: 'the registry',
      scope: `repository:${REPOSITORY}:pull`,
    });
    expect(tokens.seen[0]?.path).toBe('/token');
  });

  it('that is known already is sent as it is', async () => {
    const token = vault.secret('token-for-a-pull-77', 'registry');
    const registry = await startBearerRegistry(() => 'http://127.0.0.1:1/');
    const { source } = credentialsFor(() => registry.host, { registryToken: token });
    await pullFrom(registry, { credentials: source });
  });

  it('that has run out is renewed, once for all', async () => {
    const tokens = await startTokenServer(() => true);
    let blobs = 0;
    const registry = await startBearerRegistry(
      () => tokens.origin,
      (number) => {
        blobs += 1;
        return number > 1 || blobs <= 2;
      },
    );
    await pullFrom(registry);
    expect(tokens.seen).toHaveLength(2);
  });

  it('that is not enough is E_AUTH', async () => {
    const tokens = await startTokenServer(() => true);
    const registry = await startBearerRegistry(
      () => tokens.origin,
      () => false,
    );
    expect(await faultFrom(registry)).toMatch(/^E_AUTH .*\(status 401, UNAUTHORIZED\)/);
    expect(tokens.seen).toHaveLength(1);
  });

  it('that is refused to these credentials is E_AUTH', async () => {
    vault.secret(PASSWORD, 'token');
    const tokens = await startTokenServer(() => false);
    const registry = await startBearerRegistry(() => tokens.origin);
    const { source } = credentialsFor(() => registry.host, { username: USER, password: PASSWORD });
    expect(await faultFrom(registry, { credentials: source })).toMatch(
      /^E_AUTH .*getting a token from 127.0.0.1:\d+: it refuses the credentials \(status 401\)/,
    );
  });

  it.each([
    ['repository:other:pull,push registry:catalog:*', []],
    ['repository:other:pull aws', ['repository:other:pull', 'aws']],
    [`repository:${REPOSITORY}:pull`, []],
    ['repository:UPPER:pull', []],
  ])('asks for no more than to pull where the registry wants %s', async (scope, more) => {
    const tokens = await startTokenServer(() => true);
    const registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/' || seen.headers.authorization !== undefined) return false;
        return challenge(response, `Bearer realm="${tokens.origin}",scope="${scope}"`);
      },
    );
    await pullFrom(registry);
    const { searchParams } = new URL(tokens.seen[0]?.path ?? '', tokens.origin);
    expect(searchParams.getAll('scope')).toEqual([`repository:${REPOSITORY}:pull`, ...more]);
  });

  const answers: [string, Handler, RegExp][] = [
    [
      'a token that is no JSON',
      (_request, response) => void response.end('token-for-nobody'),
      /^E_FORMAT .*it is not JSON/,
    ],
    ['a page', (_request, response) => void response.end('<html>'), /^E_FORMAT .*it is not JSON/],
    [
      'no token',
      (_request, response) => void response.end('{}'),
      /^E_NETWORK .*there is none in its answer/,
    ],
    [
      'a header',
      (_request, response) => void response.end('{"token":"a\\r\\nX: y"}'),
      /^E_FORMAT /,
    ],
    [
      'too much',
      (_request, response) => void response.end(`{"token":"${'x'.repeat(300_000)}"}`),
      /^E_FORMAT .*larger than/,
    ],
    [
      'nothing',
      (_request, response) => void response.destroy(),
      /^E_NETWORK .*the connection was cut; tried 3 times/,
    ],
    [
      'an error',
      (_request, response) => fail(response, 500, 'X'),
      /^E_NETWORK .*status 500; tried 3 times/,
    ],
    ['not found', (_request, response) => fail(response, 404, 'X'), /^E_NETWORK .*status 404/],
  ];
  it.each(answers)('server that gives %s', async (_name, handler, why) => {
    vault.secret('token-for-nobody', 'token');
    const tokens = await startServer({ name: 'token', vault }, handler);
    const registry = await startBearerRegistry(() => tokens.origin);
    expect(await faultFrom(registry)).toMatch(why);
  });
});

describe('a token server elsewhere', () => {
  const given = (registry: TestServer): Partial<RegistryAccess> => {
    vault.secret(PASSWORD, 'nobody');
    const { source } = credentialsFor(() => registry.host, { username: USER, password: PASSWORD });
    return { credentials: source };
  };

  it.each([
    ['file:///etc/passwd', /no http\(s\) URL/],
    ['ftp://x/', /no http\(s\) URL/],
    ['what', /no http\(s\) URL/],
    ['http://a:b@127.0.0.1/', /credentials in its URL/],
    ['http://registry.example/token', /asked by plain HTTP/],
    ['http://10.0.0.1/token', /asked by plain HTTP/],
  ])('%s is refused', async (realm, why) => {
    const registry = await startBearerRegistry(() => realm);
    const fault = await faultFrom(registry, given(registry));
    expect(fault).toMatch(/^E_AUTH /);
    expect(fault).toMatch(why);
  });

  it('never gets credentials by plain HTTP, not even with --insecure', async () => {
    const registry = await startBearerRegistry(() => 'http://registry.example/token');
    const access = { ...given(registry), insecure: true };
    expect(await faultFrom(registry, access)).toMatch(/^E_AUTH .*where others can read them/);
  });

  it('is the one that credentials are for, even if it sends them on', async () => {
    const elsewhere = await startServer(
      { name: 'elsewhere', vault, address: '127.0.0.2' },
      (_request, response) => {
        response.end('{"token":"x"}');
      },
    );
    const tokens = await startServer({ name: 'token', vault }, (_request, response) => {
      response.writeHead(307, { location: `${elsewhere.origin}/token` }).end();
    });
    const registry = await startBearerRegistry(() => tokens.origin);
    vault.secret(PASSWORD, 'token');
    const { source } = credentialsFor(() => registry.host, { username: USER, password: PASSWORD });
    await faultFrom(registry, { credentials: source });
    expect(elsewhere.seen).toHaveLength(1);
  });

  it('does not get a form sent on', async () => {
    const elsewhere = await startServer(
      { name: 'elsewhere', vault, address: '127.0.0.2' },
      (_request, response) => {
        response.end('{"token":"x"}');
      },
    );
    const tokens = await startServer({ name: 'token', vault }, (_request, response) => {
      response.writeHead(307, { location: `${elsewhere.origin}/token` }).end();
    });
    const registry = await startBearerRegistry(() => tokens.origin);
    vault.secret(IDENTITY, 'token');
    const { source } = credentialsFor(() => registry.host, { identityToken: IDENTITY });
    expect(await faultFrom(registry, { credentials: source })).toMatch(/^E_NETWORK .*status 307/);
    expect(elsewhere.seen).toEqual([]);
  });
});

describe('challenges', () => {
  it.each([
    ['Negotiate', /^E_AUTH .*convinced by negotiate; only basic and bearer/],
    ['Bearer service="x"', /^E_NETWORK .*names no token server/],
    ['Bearer realm="x', /^E_NETWORK .*cannot be understood/],
  ])('%s', async (field, why) => {
    const registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => (seen.path === '/v2/' ? false : challenge(response, field)),
    );
    expect(await faultFrom(registry)).toMatch(why);
  });

  it('may be missing', async () => {
    const registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/') return false;
        fail(response, 401, 'UNAUTHORIZED');
        return true;
      },
    );
    expect(await faultFrom(registry)).toMatch(/^E_AUTH .*convinced by nothing/);
  });

  it('may be two, of which the token counts', async () => {
    const tokens = await startTokenServer(() => true);
    const registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/' || seen.headers.authorization?.startsWith('Bearer ')) return false;
        return challenge(response, `Basic realm="x", Bearer realm="${tokens.origin}"`);
      },
    );
    await pullFrom(registry);
    expect(tokens.seen).toHaveLength(1);
  });

  it('are not what a 403 is', async () => {
    const registry = await startFakeRegistry(
      { name: 'registry', vault },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/') return false;
        fail(response, 403, 'DENIED');
        return true;
      },
    );
    expect(await faultFrom(registry)).toMatch(
      /^E_AUTH .*does not let everybody pull test\/app \(status 403, DENIED\)/,
    );
    expect(registry.seen).toHaveLength(2);
  });
});
