import { existsSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askHelper } from '#rundle/credentials/credential-helper.js';
import { credentialSource } from '#rundle/credentials/credential-source.js';
import { basic, type Home, makeHome } from './support.js';

const SECRET = 'tr0ub4dor-and-3';

let home: Home;
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

const ask = (host: string, username?: string) =>
  credentialSource(home.environment)(host, 'team/app', username);

/** A helper that notes what it was asked, and gives `secret` to `user`. */
const giver = (user: string, secret = SECRET) =>
  `[ "$1" = get ] || exit 9
   cat >> "$HOME/asked"; echo >> "$HOME/asked"
   printf '{"ServerURL":"x","Username":"%s","Secret":"%s"}\\n' '${user}' '${secret}'`;

const asked = () => readFileSync(home.path('asked'), 'utf8').trim().split('\n');

describe('a credential helper', () => {
  it('of credHelpers is asked for its host alone', async () => {
    home.helper('mine', giver('me'));
    home.write('.docker/config.json', {
      auths: { 'r.example:5000': basic('file', 'x') },
      credHelpers: { 'r.example:5000': 'mine' },
    });
    expect(await ask('r.example:5000')).toEqual({ username: 'me', password: SECRET });
    expect(await ask('other.example')).toBeUndefined();
    expect(asked()).toEqual(['r.example:5000']);
  });

  it('of credsStore is asked for what the file does not hold, under the name of the login', async () => {
    home.helper('store', giver('me'));
    home.write('.docker/config.json', {
      auths: { 'https://index.docker.io/v1/': {}, 'inline.example': basic('file', 'x') },
      credsStore: 'store',
    });
    expect(await ask('inline.example')).toEqual({ username: 'file', password: 'x' });
    expect(await ask('docker.io')).toEqual({ username: 'me', password: SECRET });
    expect(await ask('unknown.example')).toEqual({ username: 'me', password: SECRET });
    expect(asked()).toEqual(['https://index.docker.io/v1/', 'unknown.example']);
  });

  it('knows Docker Hub by its URL without an entry too', async () => {
    home.helper('hub', giver('me'));
    home.write('.docker/config.json', { credHelpers: { 'docker.io': 'hub' } });
    await ask('docker.io');
    expect(asked()).toEqual(['https://index.docker.io/v1/']);
  });

  it('may give an identity token', async () => {
    home.helper('mine', giver('<token>', 'refresh'));
    home.write('.docker/config.json', { credHelpers: { 'r.example': 'mine' } });
    expect(await ask('r.example')).toEqual({ identityToken: 'refresh' });
  });

  it('may have nothing, and then the next place is asked', async () => {
    home.helper('empty', 'echo "credentials not found in native keychain"; exit 1');
    home.write('.config/containers/auth.json', { credHelpers: { 'r.example': 'empty' } });
    home.write('.docker/config.json', { auths: { 'r.example': basic('docker', 'x') } });
    expect(await ask('r.example')).toEqual({ username: 'docker', password: 'x' });
  });

  it('does not give one user the credentials of another', async () => {
    home.helper('mine', giver('me'));
    home.write('.docker/config.json', { credHelpers: { 'r.example': 'mine' } });
    expect(await ask('r.example', 'me')).toMatchObject({ username: 'me' });
    expect(await ask('r.example', 'you')).toBeUndefined();
  });

  it('gets the server on standard input, and no shell sees it', async () => {
    home.helper('mine', giver('me'));
    const server = `r.example$(touch ${home.path('shell')});'"`;
    await askHelper({ name: 'mine', namedBy: 'credHelpers in X' }, server, home.environment);
    expect(asked()).toEqual([server]);
    expect(existsSync(home.path('shell'))).toBe(false);
  });
});

describe('a credential helper that fails', () => {
  const failure = async (name: string, timeLimit?: number) => {
    const helper = { name, namedBy: 'credsStore in /x/config.json' };
    const error = await askHelper(helper, 'r.example', home.environment, timeLimit).then(
      () => undefined,
      (thrown: unknown) => thrown as Error & { code: string; hint?: string },
    );
    expect(error?.code).toBe('E_AUTH');
    expect(`${JSON.stringify(error)} ${error?.stack} ${error?.cause}`).not.toContain(SECRET);
    return `${error?.message} / ${error?.hint}`;
  };

  it('because there is none', async () => {
    expect(await failure('absent')).toMatch(
      /^asking docker-credential-absent, named by credsStore in \/x\/config.json, .*no such program in PATH \/ install it, or remove it from/,
    );
  });

  it.each(['../evil', 'a/b', '/bin/sh', '-x', '', 'a b', 'a\0b', 'x'.repeat(65)])(
    'because its name is %j',
    async (name) => {
      expect(await failure(name)).toContain("cannot be part of a program's name");
    },
  );

  it.each([
    ['exits with a status', `echo ${SECRET}; echo ${SECRET} >&2; exit 3`, /exit status 3/],
    ['prints something else', `echo '{"Secret": "${SECRET}"}'`, /not the JSON/],
    ['prints no JSON', `echo '${SECRET}'`, /not the JSON/],
    ['prints without end', `yes ${SECRET}`, /does not stop printing/],
    ['dies', `echo ${SECRET}; kill -KILL $$`, /ended by SIGKILL/],
  ])('because it %s', async (_what, script, reason) => {
    home.helper('bad', script);
    expect(await failure('bad')).toMatch(reason);
  });

  it('because it gives no answer, even when something of it lives on', async () => {
    home.helper('slow', `echo ${SECRET}; sleep 20 & echo $! > "$HOME/pid"; wait`);
    try {
      expect(await failure('slow', 500)).toContain('no answer within 0.5 s');
    } finally {
      process.kill(Number(readFileSync(home.path('pid'), 'utf8')));
    }
  });

  it('because it cannot be executed', async () => {
    home.write('bin/docker-credential-text', 'no program');
    expect(await failure('text')).toMatch(/cannot be executed|no such program/);
  });
});
