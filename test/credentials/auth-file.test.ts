import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { credentialSource } from '#rundle/credentials/credential-source.js';
import { basic, type Home, makeHome } from './support.js';

let home: Home;
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

const ask = (host: string, repository = 'team/app', username?: string) =>
  credentialSource(home.environment)(host, repository, username);

describe("Docker's config.json", () => {
  it('gives user and password for exactly the host they belong to', async () => {
    home.write('.docker/config.json', { auths: { 'one.example:5000': basic('me', 'pass:word') } });
    expect(await ask('one.example:5000')).toEqual({ username: 'me', password: 'pass:word' });
    for (const other of [
      'one.example',
      'one.example:5001',
      'x.one.example:5000',
      'one.example:50',
    ]) {
      expect(await ask(other), other).toBeUndefined();
    }
  });

  it.each([
    'https://index.docker.io/v1/',
    'https://index.docker.io/v2/',
    'index.docker.io/v1/',
    'index.docker.io',
    'docker.io',
    'registry-1.docker.io',
  ])('knows Docker Hub as %s', async (key) => {
    home.write('.docker/config.json', { auths: { [key]: basic('hub', 'secret') } });
    expect(await ask('docker.io')).toEqual({ username: 'hub', password: 'secret' });
    expect(await ask('quay.io')).toBeUndefined();
  });

  it('takes the host alone from a URL', async () => {
    home.write('.docker/config.json', {
      auths: { 'https://R.example/some/path': basic('a', 'b') },
    });
    expect(await ask('r.example')).toEqual({ username: 'a', password: 'b' });
  });

  it('has identity tokens and registry tokens', async () => {
    home.write('.docker/config.json', {
      auths: {
        'identity.example': { ...basic('00000000', ''), identitytoken: 'refresh' },
        'registry.example': { registrytoken: 'bearer' },
        'fields.example': { username: 'u', password: 'p' },
        'empty.example': {},
        'null.example': null,
      },
    });
    expect(await ask('identity.example')).toEqual({ identityToken: 'refresh' });
    expect(await ask('registry.example')).toEqual({ registryToken: 'bearer' });
    expect(await ask('fields.example')).toEqual({ username: 'u', password: 'p' });
    expect(await ask('empty.example')).toBeUndefined();
    expect(await ask('null.example')).toBeUndefined();
  });

  it('is found by DOCKER_CONFIG, and then there alone', async () => {
    home.write('.docker/config.json', { auths: { 'a.example': basic('home', '1') } });
    home.write('elsewhere/config.json', { auths: { 'b.example': basic('other', '2') } });
    home.environment.DOCKER_CONFIG = home.path('elsewhere');
    expect(await ask('b.example')).toEqual({ username: 'other', password: '2' });
    expect(await ask('a.example')).toBeUndefined();
  });
});

describe("podman's auth.json", () => {
  it('is searched from the longest path to the host', async () => {
    home.write('.config/containers/auth.json', {
      auths: {
        'r.example': basic('host', '0'),
        'r.example/foo': basic('foo', '1'),
        'r.example/foo/bar/image': basic('image', '2'),
        'r.example/foo/ba': basic('no', '3'),
      },
    });
    const user = async (repository: string) => await ask('r.example', repository);
    expect(await user('foo/bar/image')).toMatchObject({ username: 'image' });
    expect(await user('foo/bar/imager')).toMatchObject({ username: 'foo' });
    expect(await user('foo')).toMatchObject({ username: 'foo' });
    expect(await user('food')).toMatchObject({ username: 'host' });
  });

  it('does not give the credentials of one path to another', async () => {
    home.write('.config/containers/auth.json', { auths: { 'r.example/mine': basic('me', '1') } });
    expect(await ask('r.example', 'theirs/mine')).toBeUndefined();
  });

  it('stands in this order', async () => {
    const place = (name: string) => ({ auths: { 'r.example': basic(name, 'x') } });
    const expectFrom = async (name: string) =>
      expect(await ask('r.example')).toMatchObject({ username: name });
    home.write('.config/enroot/.credentials', 'machine r.example login enroot password x\n');
    await expectFrom('enroot');
    home.write('.docker/config.json', place('docker'));
    await expectFrom('docker');
    home.write('.config/containers/auth.json', place('config'));
    await expectFrom('config');
    home.environment.XDG_RUNTIME_DIR = home.path('run');
    home.write('run/containers/auth.json', place('runtime'));
    await expectFrom('runtime');
    home.environment.REGISTRY_AUTH_FILE = home.write('mine.json', place('mine'));
    await expectFrom('mine');
  });

  it('gives way to REGISTRY_AUTH_FILE altogether', async () => {
    home.write('.config/containers/auth.json', { auths: { 'r.example': basic('config', 'x') } });
    home.environment.REGISTRY_AUTH_FILE = home.path('not-there.json');
    expect(await ask('r.example')).toBeUndefined();
  });

  it('may be an empty file', async () => {
    home.write('.config/containers/auth.json', '');
    expect(await ask('r.example')).toBeUndefined();
  });
});

describe('a user named by the reference', () => {
  it('gets no credentials but his own', async () => {
    home.write('.docker/config.json', { auths: { 'r.example': basic('first', '1') } });
    home.write(
      '.config/enroot/.credentials',
      'machine r.example login second password 2\nmachine r.example login third password 3\n',
    );
    expect(await ask('r.example', 'x', 'first')).toEqual({ username: 'first', password: '1' });
    expect(await ask('r.example', 'x', 'third')).toEqual({ username: 'third', password: '3' });
    expect(await ask('r.example', 'x', 'fourth')).toBeUndefined();
  });
});

describe('a file that cannot be used', () => {
  const SECRET = 'c2VjcmV0OnNlY3JldA';

  it.each([
    ['no JSON', `{"auths":{"r.example":{"auth":"${SECRET}"`],
    ['the wrong type', { auths: { 'r.example': { auth: [SECRET] } } }],
    ['auths as a list', { auths: [SECRET] }],
    ['no user', { auths: { 'r.example': { auth: Buffer.from(`:${SECRET}`).toString('base64') } } }],
    ['no colon', { auths: { 'r.example': { auth: Buffer.from(SECRET).toString('base64') } } }],
    ['control bytes', Buffer.from([0xff, 0xfe]).toString('latin1')],
  ])('with %s is an error without a byte of it', async (_what, content) => {
    const path = home.write('.docker/config.json', content);
    const error = await ask('r.example').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'E_AUTH', message: expect.stringContaining(path) });
    expect((error as Error).cause).toBeUndefined();
    const said = `${JSON.stringify(error)} ${String(error)} ${(error as Error).stack}`;
    expect(said).not.toContain(SECRET);
    expect(said).not.toContain(Buffer.from(SECRET).toString('base64').slice(0, 12));
  });

  it('because it is a directory is an error', async () => {
    home.write('.docker/config.json/x', '');
    await expect(ask('r.example')).rejects.toMatchObject({ code: 'E_AUTH' });
  });

  it('because it is too large is an error', async () => {
    home.write('.docker/config.json', ' '.repeat(1024 * 1024 + 1));
    await expect(ask('r.example')).rejects.toMatchObject({ code: 'E_AUTH' });
  });
});
