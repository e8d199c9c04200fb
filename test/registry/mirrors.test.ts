import { describe, expect, it } from 'vitest';
import type { RegistryAccess } from '#rundle/registry/access.js';
import { faultOf } from '../source/support/scratch.js';
import { type Hook, REPOSITORY, startFakeRegistry } from './support/fake-registry.js';
import { freePort } from './support/free-port.js';
import { pull } from './support/pull.js';
import { makeSample, watchedVault } from './support/sample-contents.js';
import { fail } from './support/server.js';

const { top, contents } = makeSample('mirrors');
const vault = watchedVault();

const serve = (hook?: Hook) => startFakeRegistry({ name: 'registry', vault }, contents, hook);

const pullFrom = (host: string, access: Partial<RegistryAccess> = {}) =>
  pull(top, `${host}/${REPOSITORY}:v1`, access);

const faultFrom = (host: string, access: Partial<RegistryAccess> = {}) =>
  faultOf(pullFrom(host, access));

describe('mirrors', () => {
  const source = (...hosts: string[]): Partial<RegistryAccess> => ({
    mirrors: async () => hosts.map((host) => ({ host, repository: REPOSITORY, insecure: false })),
  });

  it('are asked first, and one that has it for everything', async () => {
    const [mirror, origin] = [await serve(), await serve()];
    const { provenance } = await pullFrom(origin.host, source(mirror.host, origin.host));
    expect(provenance.reference).toBe(`${origin.host}/${REPOSITORY}:v1`);
    expect(origin.seen).toEqual([]);
  });

  it.each([
    ['is gone', async () => `127.0.0.1:${await freePort()}`],
    [
      'has nothing',
      async () =>
        (
          await serve((_request, response) => {
            fail(response, 404, 'NAME_UNKNOWN');
            return true;
          })
        ).host,
    ],
    [
      'is forbidden',
      async () =>
        (
          await serve((_request, response) => {
            fail(response, 403, 'DENIED');
            return true;
          })
        ).host,
    ],
    [
      'is broken',
      async () =>
        (
          await serve((_request, response) => {
            fail(response, 500, 'UNKNOWN');
            return true;
          })
        ).host,
    ],
    [
      'lies',
      async () =>
        (
          await serve((_request, response, { path }) => {
            if (!path.includes('/blobs/')) return false;
            response.end('lies');
            return true;
          })
        ).host,
    ],
  ])('that %s are passed over', async (_name, start) => {
    const mirror = await start();
    const origin = await serve();
    await pullFrom(origin.host, source(mirror, origin.host));
    expect(origin.seen.length).toBeGreaterThan(0);
  });

  it('that fail are named with the error of the last', async () => {
    const [mirror, origin] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    expect(await faultFrom(origin, source(mirror, origin))).toMatch(
      new RegExp(
        `^E_NETWORK .*${origin}: it refuses the connection; tried before: ${mirror} \\(E_NETWORK\\)`,
      ),
    );
  });

  it('that there are none of is E_USAGE', async () => {
    expect(await faultFrom('registry.example', source())).toMatch(
      /^E_USAGE .*no registry may be asked/,
    );
  });

  it("get their own credentials, not the origin's", async () => {
    const mirror = await startFakeRegistry(
      { name: 'mirror', vault, address: '127.0.0.3' },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/') return false;
        response.setHeader('www-authenticate', 'Basic realm="x"');
        fail(response, 401, 'UNAUTHORIZED');
        return true;
      },
    );
    const origin = await serve();
    vault.secret('correct-horse', 'registry');
    const asked: string[] = [];
    await pullFrom(origin.host, {
      ...source(mirror.host, origin.host),
      credentials: async (host) => {
        asked.push(host);
        return host === origin.host ? { username: 'rider', password: 'correct-horse' } : undefined;
      },
    });
    expect(asked).toEqual([mirror.host]);
  });
});
