import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openBundle } from '#rundle/bundle/read.js';
import { type BuiltImage, digestOf } from '../fixtures/image-builder.js';
import { makeCertificates } from '../registry/support/certificates.js';
import {
  ACCOUNT,
  type RealRegistry,
  skopeoCopy,
  startRealRegistry,
} from '../registry/support/docker-registry.js';
import {
  addManifest,
  type Contents,
  contentsOf,
  type Hook,
  REPOSITORY,
  startFakeRegistry,
} from '../registry/support/fake-registry.js';
import { sampleLayout } from '../registry/support/sample.js';
import { closeServers, fail } from '../registry/support/server.js';
import { Vault } from '../registry/support/vault.js';
import {
  end,
  makeWorkspace,
  type RunOptions,
  rundle,
  start,
  type Workspace,
} from './support/rundle.js';

const INDEX = 'application/vnd.oci.image.index.v1+json';

let top: Workspace;
let workspace: Workspace;
let registry: RealRegistry;
let guarded: RealRegistry;
let built: BuiltImage;
let contents: Contents;
let authority: string;

beforeAll(async () => {
  top = makeWorkspace();
  built = sampleLayout(top.path('layout'));
  contents = contentsOf(top.path('layout'));
  const tls = makeCertificates(top.directory, ['IP:127.0.0.1']);
  authority = tls.authority;
  registry = await startRealRegistry(top.path('plain'));
  guarded = await startRealRegistry(top.path('guarded'), { htpasswd: true, tls });
  skopeoCopy(`oci:${top.path('layout')}:v1`, `docker://${registry.host}/team/app:v1`);
  skopeoCopy(
    `oci:${top.path('layout')}:v1`,
    `docker://${guarded.host}/team/app:v1`,
    `--dest-creds=${ACCOUNT.username}:${ACCOUNT.password}`,
  );
});
beforeEach(() => {
  workspace = makeWorkspace();
});
afterEach(async () => {
  await closeServers();
  expect(workspace.leftovers()).toEqual([]);
  workspace.remove();
});
afterAll(async () => {
  await Promise.all([registry, guarded].map((one) => one?.stop()));
  top.remove();
});

/** Without a cache of its own each build starts with nothing. */
const build = (source: string, options: string[] = [], how: RunOptions = {}) =>
  rundle(workspace, ['build', source, ...options], how);

const serve = (hook?: Hook) => startFakeRegistry({ name: 'registry' }, contents, hook);

/** A build whose standard input is `text`. */
async function buildWith(text: string, source: string, options: string[]) {
  const path = workspace.path('input');
  writeFileSync(path, text);
  return build(source, options, {
    through: (node, cli) => ['sh', '-c', `exec "$@" < "${path}"`, 'sh', node, cli],
  });
}

describe('rundle build docker://', () => {
  it('makes the bundle that the layout gives, and records where it is from', async () => {
    const source = `docker://${registry.host}/team/app:v1`;
    const made = await build(source, ['--json']);
    expect(made.stderr).toBe('');
    const { file, manifest } = JSON.parse(made.stdout);
    expect(file).toBe('app-v1.run');
    expect(manifest.provenance).toEqual({
      transport: 'docker',
      reference: `${registry.host}/team/app:v1`,
      manifestDigest: built.manifest.digest,
      configDigest: built.config.digest,
      diffIds: built.diffIds,
    });
    await rundle(workspace, ['build', `oci:${top.path('layout')}:v1`, '-o', 'layout.run']);
    const [one, other] = await Promise.all(
      ['app-v1.run', 'layout.run'].map((name) => openBundle(workspace.path(name))),
    );
    const payload = (bundle: typeof one) =>
      bundle?.sections.filter(({ kind }) => kind !== 0).find(({ size }) => size > 1_000_000);
    expect(payload(one)?.sha256).toBe(payload(other)?.sha256);
    const { provenance: _one, name: _name, ...rest } = one?.manifest ?? {};
    const { provenance: _other, name: _otherName, ...same } = other?.manifest ?? {};
    expect(rest).toEqual(same);
    const shown = await rundle(workspace, ['inspect', 'app-v1.run']);
    expect(shown.stdout).toContain(`docker ${registry.host}/team/app:v1`);
    expect(shown.stdout).toContain(built.manifest.digest);
  });

  it('gives the same bytes twice', async () => {
    const source = `docker://${registry.host}/team/app:v1`;
    await build(source, ['-o', 'one.run']);
    const first = readFileSync(workspace.path('one.run'));
    await build(source, ['-o', 'one.run', '-f', '--no-cache']);
    expect(readFileSync(workspace.path('one.run')).equals(first)).toBe(true);
  });

  it('tells how far it is', async () => {
    const { stderr } = await build(`docker://${registry.host}/team/app:v1`);
    expect(stderr).toMatch(/^rundle: download: \d.*\nrundle: layers: \d.*\nrundle: packing: /);
  });

  it('for two platforms asks for the tag once, and for each blob once', async () => {
    const arm = JSON.parse(String(contents.blobs.get(built.config.digest)));
    arm.architecture = 'arm64';
    const config = Buffer.from(JSON.stringify(arm));
    const both = contentsOf(top.path('layout'));
    const document = JSON.parse(String(contents.blobs.get(built.manifest.digest)));
    document.config = { ...document.config, digest: digestOf(config), size: config.length };
    both.blobs.set(document.config.digest, config);
    const platform = (architecture: string) => ({ os: 'linux', architecture });
    const index = addManifest(
      both,
      'both',
      {
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [
          { ...built.manifest, platform: platform('amd64') },
          { ...addManifest(both, 'arm', document), platform: platform('arm64') },
        ],
      },
      INDEX,
    );
    const { host, seen } = await startFakeRegistry({ name: 'registry' }, both);
    const source = `docker://${host}/${REPOSITORY}:both`;
    const options = ['--platform', 'linux/amd64,linux/arm64', '--no-cache', '--json'];
    const made = await build(source, options);
    expect(made.stderr).toBe('');
    const { manifest } = JSON.parse(made.stdout);
    expect(
      manifest.platforms.map(({ provenance }: { provenance: object }) => provenance),
    ).toMatchObject([{ indexDigest: index.digest }, { indexDigest: index.digest }]);
    const paths = seen.map(({ path }) => path).filter((path) => path !== '/v2/');
    expect(new Set(paths).size).toBe(paths.length);
    expect(paths).toHaveLength(8);
  });

  it('unpacks too', async () => {
    const ended = await rundle(workspace, [
      'unpack',
      `docker://${registry.host}/team/app:v1`,
      'tree',
    ]);
    expect(ended.status).toBe(0);
    expect(readFileSync(workspace.path('tree', 'bin', 'app'), 'utf8')).toBe(
      '#!/bin/sh\necho hello\n',
    );
  });

  it('takes name, password and authority from its options', async () => {
    const source = `docker://${guarded.host}/team/app:v1`;
    const options = ['--username', ACCOUNT.username, '--password-stdin', '--cacert', authority];
    const ended = await buildWith(`${ACCOUNT.password}\n`, source, options);
    expect(ended).toMatchObject({ status: 0 });
    const bundle = readFileSync(workspace.path('app-v1.run'));
    expect(bundle.includes(ACCOUNT.password)).toBe(false);
  });

  it('never shows a password', async () => {
    const source = `docker://${guarded.host}/team/app:v1`;
    const options = [
      '--username',
      ACCOUNT.username,
      '--password-stdin',
      '--cacert',
      authority,
      '--json',
    ];
    const vault = new Vault();
    vault.secret('battery staple', 'nobody');
    vault.secret(Buffer.from('rider:battery staple').toString('base64'), 'nobody');
    writeFileSync(workspace.path('input'), 'battery staple');
    const ended = await build(source, options, {
      env: { RUNDLE_DEBUG: '1' },
      through: (node, cli) => ['sh', '-c', 'exec "$@" < input', 'sh', node, cli],
    });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain('"code":"E_AUTH"');
    expect(vault.leaks(ended.stdout + ended.stderr)).toEqual([]);
  });
});

describe('options for registries', () => {
  it.each([
    ['a password for nobody', ['--password-stdin'], /--password-stdin needs --username/],
    ['no user', ['--username', ''], /--username is empty/],
    ['a user with a colon', ['--username', 'a:b'], /a colon/],
    ['no such file', ['--cacert', 'missing.pem'], /--cacert, missing.pem: .*no such file/],
    ['no certificate', ['--cacert', '/etc/passwd'], /no certificate in PEM/],
  ])('%s is E_USAGE', async (_name, options, why) => {
    const ended = await build(`docker://${registry.host}/team/app:v1`, options);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(why);
  });

  it('a password that is empty is E_USAGE', async () => {
    const ended = await buildWith('\n', `docker://${registry.host}/team/app`, [
      '--username',
      'x',
      '--password-stdin',
    ]);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(/it is empty/);
  });

  it.each([['--insecure'], ['--username', 'x'], ['--cacert', 'x']])(
    '%s is for registries',
    async (...options) => {
      const ended = await build(`oci:${top.path('layout')}`, options);
      expect(ended.status).toBe(2);
      expect(ended.stderr).toMatch(/are for docker:\/\/ alone/);
    },
  );

  it.each([
    ['docker://Ubuntu', /in lower case\n {2}write ubuntu/],
    ['docker:ubuntu', /does not have the form docker:\/\//],
    ['docker://', /it has no name/],
    ['docker://a b', /not the name of a repository/],
  ])('%s is E_USAGE', async (source, why) => {
    const ended = await build(source);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(why);
  });
});

describe('failures', () => {
  const onLayer =
    (answer: (response: Parameters<Hook>[1]) => void): Hook =>
    (_request, response, { path }) => {
      if (!path.endsWith(built.layers[1]?.digest ?? '')) return false;
      answer(response);
      return true;
    };
  const cases: [string, Hook | undefined, string, string][] = [
    ['unknown tag', undefined, `${REPOSITORY}:nope`, 'E_SOURCE'],
    ['unknown repository', undefined, 'nobody/nothing', 'E_SOURCE'],
    [
      'refused',
      (_request, response) => {
        fail(response, 403, 'DENIED');
        return true;
      },
      `${REPOSITORY}:v1`,
      'E_AUTH',
    ],
    ['wrong bytes', onLayer((response) => response.end('wrong')), `${REPOSITORY}:v1`, 'E_DIGEST'],
    [
      'missing layer',
      onLayer((response) => fail(response, 404, 'BLOB_UNKNOWN')),
      `${REPOSITORY}:v1`,
      'E_SOURCE',
    ],
    [
      'redirect to a file',
      onLayer((response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end()),
      `${REPOSITORY}:v1`,
      'E_NETWORK',
    ],
  ];
  it.each(cases)('%s: one line, one status, nothing left', async (_name, hook, path, code) => {
    const { host } = await serve(hook);
    const ended = await build(`docker://${host}/${path}`, ['-o', 'out.run', '--json']);
    expect(ended.status).toBe(1);
    expect(ended.stdout).toBe('');
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(ended.stderr).error.code).toBe(code);
    expect(() => readFileSync(workspace.path('out.run'))).toThrow(/ENOENT/);
  });

  it('an interrupted download ends at once, and leaves nothing but what it can go on from', async () => {
    let asked: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const { host } = await serve(
      onLayer((response) => {
        response.writeHead(200, { 'content-length': built.layers[1]?.size ?? 0 });
        response.write('x', () => asked());
      }),
    );
    const child = start(workspace, ['build', `docker://${host}/${REPOSITORY}:v1`, '-o', 'out.run']);
    const ended = end(child);
    await waiting;
    child.kill('SIGTERM');
    expect((await ended).status).toBe(143);
    expect(() => readFileSync(join(workspace.directory, 'out.run'))).toThrow(/ENOENT/);
  });
});
