import { describe, expect, it } from 'vitest';
import type { CredentialSource, RegistryAccess } from '#rundle/registry/access.js';
import { basicOf, challenge, credentialsFor } from './support/challenges.js';
import { REPOSITORY, startFakeRegistry } from './support/fake-registry.js';
import { pull } from './support/pull.js';
import { makeSample, watchedVault } from './support/sample-contents.js';
import type { TestServer } from './support/server.js';

const USER = 'rider';
const PASSWORD = 'correct-horse-battery';

const { top, contents } = makeSample('basic');
const vault = watchedVault();

const pullFrom = ({ host }: TestServer, access: Partial<RegistryAccess> = {}) =>
  pull(top, `${host}/${REPOSITORY}:v1`, access);

/** Whatever comes of a pull may not show a secret. */
async function faultFrom(registry: TestServer, access: Partial<RegistryAccess> = {}) {
  return vault.faultOf(pullFrom(registry, access));
}

describe('basic authentication', () => {
  const startBasicRegistry = (address?: string) =>
    startFakeRegistry(
      { name: 'registry', vault, ...(address && { address }) },
      contents,
      (_request, response, seen) => {
        if (seen.path === '/v2/' || seen.headers.authorization === basicOf(USER, PASSWORD))
          return false;
        return challenge(response, 'Basic realm="a registry"');
      },
    );
  const known = (registry: TestServer, password = PASSWORD) => {
    vault.secret(password, 'registry');
    vault.secret(basicOf(USER, password), 'registry');
    return credentialsFor(() => registry.host, { username: USER, password });
  };

  it('is given when it is asked for, and from then on', async () => {
    const registry = await startBasicRegistry();
    const { source, asked } = known(registry);
    await pullFrom(registry, { credentials: source });
    expect(asked).toEqual([`${registry.host} ${REPOSITORY} `]);
    expect(registry.seen.filter(({ headers }) => headers.authorization === undefined)).toHaveLength(
      2,
    );
  });

  it('takes the user that the reference names', async () => {
    const registry = await startBasicRegistry();
    const { source, asked } = known(registry);
    await pull(top, `${USER}@${registry.host}#${REPOSITORY}:v1`, { credentials: source });
    expect(asked).toEqual([`${registry.host} ${REPOSITORY} ${USER}`]);
  });

  it('that is not known is E_AUTH with the way out', async () => {
    const registry = await startBasicRegistry();
    expect(await faultFrom(registry)).toMatch(
      /^E_AUTH .* does not let everybody pull test\/app \(status 401\), or there is no such repository \| .*docker login/,
    );
  });

  it('that is refused is E_AUTH, and not tried again', async () => {
    const registry = await startBasicRegistry();
    const { source } = known(registry, 'something-else');
    expect(await faultFrom(registry, { credentials: source })).toMatch(
      /^E_AUTH .* does not let these credentials pull test\/app \(status 401, UNAUTHORIZED\) \| log in again/,
    );
    expect(registry.seen.filter(({ path }) => path !== '/v2/')).toHaveLength(2);
  });

  it('is not given to a registry that does not ask', async () => {
    const registry = await startFakeRegistry({ name: 'other', vault }, contents);
    const { source, asked } = known(registry);
    await pullFrom(registry, { credentials: source });
    expect(asked).toEqual([]);
  });

  it('cannot be done with an identity token', async () => {
    const registry = await startBasicRegistry();
    const { source } = credentialsFor(() => registry.host, {
      identityToken: vault.secret('identity-of-the-rider', 'nobody'),
    });
    expect(await faultFrom(registry, { credentials: source })).toMatch(
      /^E_AUTH .* there is only a token/,
    );
  });

  it('fails as the source of credentials does', async () => {
    const registry = await startBasicRegistry();
    const credentials: CredentialSource = async () => {
      throw new Error('the helper is broken');
    };
    expect(await faultFrom(registry, { credentials })).toMatch(/the helper is broken/);
  });
});
