import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { makeWorkspace, rundle, type Workspace } from '../commands/support/rundle.js';
import {
  ACCOUNT,
  type RealRegistry,
  skopeoCopy,
  startRealRegistry,
} from '../registry/support/docker-registry.js';
import { sampleLayout } from '../registry/support/sample.js';
import { basic } from './support.js';

const { username, password } = ACCOUNT;

let place: Workspace;
let registry: RealRegistry;
let source: string;
beforeAll(async () => {
  place = makeWorkspace();
  sampleLayout(place.path('layout'));
  registry = await startRealRegistry(place.path('registry'), { htpasswd: true });
  source = `docker://${registry.host}/team/app:v1`;
  const login = ['--dest-creds', `${username}:${password}`];
  skopeoCopy(`oci:${place.path('layout')}:v1`, source, ...login);
});
afterAll(async () => {
  await registry.stop();
  place.remove();
});
afterEach(() => {
  for (const name of ['.docker', '.config', 'run', 'tree']) {
    rmSync(place.path(name), { recursive: true, force: true });
  }
});

function write(name: string, content: string): void {
  mkdirSync(dirname(place.path(name)), { recursive: true });
  writeFileSync(place.path(name), content);
}

/** Unpacks the image; whatever is said on the way must not hold the password. */
async function pull(env: Record<string, string> = {}) {
  const ended = await rundle(place, ['unpack', source, 'tree', '--no-cache'], {
    env: { PATH: `${place.path('bin')}:${process.env.PATH}`, RUNDLE_DEBUG: '1', ...env },
  });
  const said = `${ended.stdout}${ended.stderr}`;
  for (const form of [password, basic(username, password).auth]) expect(said).not.toContain(form);
  return ended;
}

describe('a registry that asks who is there', () => {
  it('lets nobody in without credentials', async () => {
    const { status, stderr } = await pull();
    expect(status).toBe(1);
    expect(stderr).toMatch(/^rundle: [^\n]*401[^\n]*\n/m);
  });

  it('takes what skopeo login has kept, here or in its usual place', async () => {
    const login = (...args: string[]) =>
      execFileSync(
        'skopeo',
        ['login', '--tls-verify=false', '-u', username, '--password-stdin', ...args, registry.host],
        { input: password, env: { PATH: process.env.PATH, HOME: place.directory }, stdio: 'pipe' },
      );
    login('--authfile', place.path('run/containers/auth.json'));
    expect((await pull({ XDG_RUNTIME_DIR: place.path('run') })).status).toBe(0);
    rmSync(place.path('tree'), { recursive: true });
    const env = { REGISTRY_AUTH_FILE: place.path('run/containers/auth.json') };
    expect((await pull(env)).status).toBe(0);
  });

  it('takes what a credential helper gives', async () => {
    write('.docker/config.json', JSON.stringify({ credHelpers: { [registry.host]: 'test' } }));
    write(
      'bin/docker-credential-test',
      `#!/bin/sh\nread -r server || :\n[ "$server" = "${registry.host}" ] || exit 3\n` +
        `echo '{"Username":"${username}","Secret":"${password}"}'\n`,
    );
    chmodSync(place.path('bin/docker-credential-test'), 0o755);
    expect((await pull()).status).toBe(0);
  });

  it('takes what Enroot has', async () => {
    write('.config/enroot/.credentials', `machine 127.0.0.1 login ${username} password $WORD\n`);
    expect((await pull({ WORD: password })).status).toBe(0);
  });

  it('does not take another password, which is not shown either', async () => {
    const auths = { [registry.host]: basic(username, 'not the right one') };
    write('.docker/config.json', JSON.stringify({ auths }));
    const { status, stderr } = await pull();
    expect(status).toBe(1);
    expect(stderr).not.toContain('not the right one');
    expect(stderr).not.toContain(auths[registry.host]?.auth);
  });

  it('is not asked when the credentials cannot be had', async () => {
    write('.docker/config.json', JSON.stringify({ credsStore: 'absent' }));
    const { status, stderr } = await pull();
    expect(status).toBe(1);
    expect(stderr).toContain(
      `rundle: asking docker-credential-absent, named by credsStore in ${place.path('.docker/config.json')}, for the credentials of ${registry.host}: there is no such program in PATH\n`,
    );
  });
});
