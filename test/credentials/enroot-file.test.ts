import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { credentialSource } from '#rundle/credentials/credential-source.js';
import { type Home, makeHome } from './support.js';

let home: Home;
beforeEach(() => {
  home = makeHome();
});
afterEach(() => home.remove());

const ask = (host: string, username?: string) =>
  credentialSource(home.environment)(host, 'team/app', username);
const write = (...lines: string[]) =>
  home.write('.config/enroot/.credentials', `${lines.join('\n')}\n`);

describe("Enroot's .credentials", () => {
  it('has one machine a line', async () => {
    write(
      '# NVIDIA',
      'machine nvcr.io login $oauthtoken password nvapi-key',
      '',
      'machine auth.docker.io login hub password pass',
    );
    expect(await ask('nvcr.io')).toEqual({ username: '$oauthtoken', password: 'nvapi-key' });
    expect(await ask('docker.io')).toEqual({ username: 'hub', password: 'pass' });
    expect(await ask('docker.io', 'other')).toBeUndefined();
    expect(await ask('vcr.io')).toBeUndefined();
  });

  it('or spreads it over several, as netrc does', async () => {
    write('machine r.example', '  login me', '  account x', '\tpassword "two \\"quoted\\""');
    expect(await ask('r.example')).toEqual({ username: 'me', password: 'two "quoted"' });
  });

  it('names machines without a port, as Enroot wants it, or with one', async () => {
    write(
      'machine r.example login plain password 1',
      'machine r.example:5001 login exact password 2',
    );
    expect(await ask('r.example:5000')).toMatchObject({ username: 'plain' });
    expect(await ask('r.example:5001')).toMatchObject({ username: 'exact' });
  });

  it('is found by ENROOT_CONFIG_PATH and XDG_CONFIG_HOME', async () => {
    home.write('a/.credentials', 'machine r.example login a password 1\n');
    home.write('b/enroot/.credentials', 'machine r.example login b password 1\n');
    home.environment.XDG_CONFIG_HOME = home.path('b');
    expect(await ask('r.example')).toMatchObject({ username: 'b' });
    home.environment.ENROOT_CONFIG_PATH = home.path('a');
    expect(await ask('r.example')).toMatchObject({ username: 'a' });
  });

  it('may take a password from the environment', async () => {
    home.environment.TOKEN = 'from $(env)';
    write(
      'machine a.example login me password $TOKEN',
      'machine b.example login me password ${TOKEN}',
    );
    expect(await ask('a.example')).toEqual({ username: 'me', password: 'from $(env)' });
    expect(await ask('b.example')).toEqual({ username: 'me', password: 'from $(env)' });
    write('machine a.example login me password $NOT_SET');
    await expect(ask('a.example')).rejects.toMatchObject({
      code: 'E_AUTH',
      message: expect.stringContaining('the variable NOT_SET is not set'),
    });
  });

  it('executes nothing, and says so', async () => {
    const trap = home.path('executed');
    write(
      `machine a.example login me password $(touch ${trap}; echo secret)`,
      `machine b.example login me password $\{X:=$(touch ${trap})}`,
      `machine c.example login me password \`touch ${trap}\``,
      'machine d.example login me password sound',
    );
    for (const host of ['a.example', 'b.example']) {
      await expect(ask(host)).rejects.toMatchObject({
        code: 'E_AUTH',
        message: expect.stringMatching(/shell expression, and none is executed$/),
        hint: expect.stringContaining('--password-stdin'),
      });
    }
    // Enroot gives nothing to a shell but what begins with a dollar sign.
    expect(await ask('c.example')).toMatchObject({ password: '`touch' });
    expect(await ask('d.example')).toMatchObject({ password: 'sound' });
    expect(existsSync(trap)).toBe(false);
  });

  it('gives nothing from "default" and from macros', async () => {
    write(
      'macdef init',
      'machine r.example login macro password 1',
      '',
      'machine x.example login me',
      'default login any password 2',
      'password 3',
    );
    expect(await ask('r.example')).toBeUndefined();
    expect(await ask('x.example')).toBeUndefined();
  });
});
