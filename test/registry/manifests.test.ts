import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { parsePlatform } from '#rundle/oci/platform.js';
import { faultOf } from '../source/support/scratch.js';
import {
  addManifest,
  type Contents,
  contentsOf,
  type Hook,
  REPOSITORY,
  startFakeRegistry,
} from './support/fake-registry.js';
import { pull } from './support/pull.js';
import { makeSample } from './support/sample-contents.js';
import type { TestServer } from './support/server.js';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+prettyjws';

const { top, built } = makeSample('manifests');
let contents: Contents;

beforeEach(() => {
  contents = contentsOf(join(top, 'layout'));
});

const serve = (hook?: Hook) => startFakeRegistry({ name: 'registry' }, contents, hook);
const reference = ({ host }: TestServer, name = ':v1') => `${host}/${REPOSITORY}${name}`;

/** A hook that answers for the manifest of `v1`. */
function manifest(head: Record<string, string | number>, body: Buffer | string): Hook {
  return (_request, response, seen) => {
    if (!seen.path.endsWith('/manifests/v1')) return false;
    response.writeHead(200, head);
    response.end(body);
    return true;
  };
}

const manifestBytes = () => contents.blobs.get(built.manifest.digest) as Buffer;
const manifestDocument = () => JSON.parse(manifestBytes().toString('utf8'));

describe('manifests', () => {
  it.each([
    ['by a tag', ':v1', 'v1'],
    ['by a digest', '@DIGEST', 'DIGEST'],
    ['by a digest beside a tag, which is not looked at', ':gone@DIGEST', 'DIGEST'],
  ])('are found %s', async (_name, suffix, asked) => {
    const { digest } = built.manifest;
    const registry = await serve();
    const name = suffix.replace('DIGEST', digest);
    const { provenance } = await pull(top, reference(registry, name));
    expect(provenance.manifestDigest).toBe(digest);
    expect(provenance.reference).toBe(reference(registry, name));
    expect(provenance).not.toHaveProperty('indexDigest');
    const paths = registry.seen.map(({ path }) => path);
    expect(paths[1]).toBe(`/v2/${REPOSITORY}/manifests/${asked.replace('DIGEST', digest)}`);
    expect(registry.seen[1]?.headers.accept).toContain(INDEX);
    expect(registry.seen[1]?.headers.accept).toContain(DOCKER_MANIFEST);
  });

  it.each([
    ['Docker', DOCKER_MANIFEST, DOCKER_MANIFEST],
    ['a server that knows no types', undefined, 'application/octet-stream'],
    [
      'one that adds a character set',
      undefined,
      'application/vnd.oci.image.manifest.v1+json; charset=utf-8',
    ],
  ])('of %s are understood', async (_name, inside, type) => {
    const document = manifestDocument();
    addManifest(contents, 'v1', { ...document, mediaType: inside }, type);
    const { provenance } = await pull(top, reference(await serve()));
    expect(provenance.diffIds).toEqual(built.diffIds);
  });

  it('in an index are chosen by platform, and the index is recorded', async () => {
    const platform = (architecture: string, variant?: string) => ({
      os: 'linux',
      architecture,
      ...(variant && { variant }),
    });
    const old = addManifest(contents, 'old', { ...manifestDocument(), annotations: { a: 'old' } });
    const fresh = addManifest(contents, 'fresh', {
      ...manifestDocument(),
      annotations: { a: 'fresh' },
    });
    const inner = addManifest(
      contents,
      'inner',
      {
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [
          { ...old, platform: platform('arm', 'v6') },
          { ...fresh, platform: platform('arm', 'v7') },
        ],
      },
      INDEX,
    );
    const index = addManifest(
      contents,
      'v1',
      {
        schemaVersion: 2,
        mediaType: MANIFEST_LIST,
        manifests: [
          { ...built.manifest, platform: platform('amd64') },
          {
            ...built.manifest,
            digest: `sha256:${'0'.repeat(64)}`,
            platform: platform('unknown'),
            annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
          },
          inner,
        ],
      },
      MANIFEST_LIST,
    );
    const registry = await serve();
    const chosen = async (text: string) => {
      const { provenance } = await pull(
        top,
        reference(registry),
        {},
        { platform: parsePlatform(text) },
      );
      expect(provenance.indexDigest).toBe(index.digest);
      return provenance.manifestDigest;
    };
    expect(await chosen('linux/amd64')).toBe(built.manifest.digest);
    expect(await chosen('linux/arm/v6')).toBe(old.digest);
    expect(await chosen('linux/arm/v7')).toBe(fresh.digest);
    expect(await chosen('linux/arm')).toBe(fresh.digest);
    expect(await faultOf(chosen('linux/riscv64'))).toMatch(
      /^E_PLATFORM .*linux\/amd64, linux\/arm\/v6, linux\/arm\/v7/,
    );
  });

  it('pinned through an index record both digests', async () => {
    const index = addManifest(
      contents,
      'v1',
      {
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [{ ...built.manifest, platform: { os: 'linux', architecture: 'amd64' } }],
      },
      INDEX,
    );
    const { provenance } = await pull(
      top,
      reference(await serve(), `@${index.digest}`),
      {},
      { platform: parsePlatform('linux/amd64') },
    );
    expect([provenance.indexDigest, provenance.manifestDigest]).toEqual([
      index.digest,
      built.manifest.digest,
    ]);
  });
});

describe('what is not there', () => {
  it('is a tag, with others that look like it', async () => {
    for (const tag of ['v2', 'v10', 'w1', 'latest']) addManifest(contents, tag, manifestDocument());
    const registry = await serve();
    expect(await faultOf(pull(top, reference(registry, ':v11')))).toBe(
      `E_SOURCE reading docker://${reference(registry, ':v11')}: ${registry.host} has no tag v11 in ${REPOSITORY} | it has for example v1, v10, v2, latest, w1`,
    );
  });

  it('is a tag among pages of them', async () => {
    const registry = await serve((_request, response, seen) => {
      if (!seen.path.includes('/tags/list')) return false;
      const last = new URL(seen.path, 'http://x').searchParams.get('last');
      const page = last === null ? ['a1', 'a2'] : ['v1', 'v2'];
      if (last === null)
        response.setHeader('link', `</v2/${REPOSITORY}/tags/list?last=a2&n=2>; rel="next"`);
      response.end(JSON.stringify({ name: REPOSITORY, tags: page }));
      return true;
    });
    expect(await faultOf(pull(top, reference(registry, ':v3')))).toMatch(
      /has no tag v3 .* v1, v2, a1, a2$/,
    );
  });

  it('is a tag, even if pages have no end', async () => {
    const registry = await serve((_request, response, seen) => {
      if (!seen.path.includes('/tags/list')) return false;
      response.setHeader('link', `<${seen.path}>; rel="next"`);
      response.end(JSON.stringify({ name: REPOSITORY, tags: ['x'] }));
      return true;
    });
    expect(await faultOf(pull(top, reference(registry, ':v3')))).toMatch(/has no tag v3 .* x$/);
    expect(registry.seen.length).toBeLessThan(20);
  });

  it('is a digest', async () => {
    const registry = await serve();
    const name = `@sha256:${'1'.repeat(64)}`;
    expect(await faultOf(pull(top, reference(registry, name)))).toMatch(
      /^E_SOURCE .* has no sha256:1111.* in test\/app/,
    );
  });

  it('is a repository', async () => {
    const { host } = await serve();
    expect(await faultOf(pull(top, `${host}/nobody/nothing`))).toMatch(
      /^E_SOURCE .* has no repository nobody\/nothing \| look at the name/,
    );
  });
});

describe('hostile answers', () => {
  const OCI = 'application/vnd.oci.image.manifest.v1+json';

  it.each([
    ['says so', { 'content-length': 5_000_000 }],
    ['does not say so', {}],
  ])('a manifest over 4 MiB that %s is not read', async (_name, head) => {
    let sent = 0;
    const registry = await serve((_request, response, seen) => {
      if (!seen.path.endsWith('/manifests/v1')) return false;
      response.writeHead(200, { 'content-type': OCI, ...head });
      const chunk = Buffer.alloc(65_536, 0x20);
      const more = () => {
        while (!response.destroyed && sent < 400 * chunk.length) {
          sent += chunk.length;
          if (!response.write(chunk)) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
      return true;
    });
    expect(await faultOf(pull(top, reference(registry)))).toMatch(
      /^E_FORMAT .*larger than the 4194304 bytes allowed/,
    );
    expect(sent).toBeLessThan(20 * 1024 * 1024);
  });

  const answers: [string, () => Hook, RegExp][] = [
    [
      'another digest than the header says',
      () =>
        manifest(
          { 'content-type': OCI, 'docker-content-digest': `sha256:${'2'.repeat(64)}` },
          manifestBytes(),
        ),
      /^E_DIGEST .*announced was sha256:2222/,
    ],
    [
      'an unknown type',
      () => manifest({ 'content-type': 'application/vnd.cncf.helm.chart' }, '{}'),
      /^E_UNSUPPORTED .*unknown type application\/vnd.cncf.helm.chart/,
    ],
    [
      'a page',
      () => manifest({ 'content-type': 'text/html' }, '<html>log in first</html>'),
      /^E_UNSUPPORTED .*unknown type text\/html/,
    ],
    [
      'a page that claims to be JSON',
      () => manifest({ 'content-type': 'application/json' }, '<html>'),
      /^E_FORMAT .*not JSON/,
    ],
    [
      'schema 1',
      () => manifest({ 'content-type': SCHEMA1 }, '{"schemaVersion":1}'),
      /^E_UNSUPPORTED .*schema 1.*skopeo copy/,
    ],
    [
      'schema 1 under another name',
      () => manifest({ 'content-type': 'application/json' }, '{"schemaVersion":1,"fsLayers":[]}'),
      /^E_UNSUPPORTED .*schema 1/,
    ],
    [
      'a manifest that says it is an index',
      () => manifest({ 'content-type': INDEX }, manifestBytes()),
      /^E_FORMAT .*its media type says index/,
    ],
    ['nothing', () => manifest({ 'content-type': OCI }, ''), /^E_FORMAT .*not JSON/],
    [
      'half of it',
      () => (_request, response, seen) => {
        if (!seen.path.endsWith('/manifests/v1')) return false;
        response.writeHead(200, { 'content-type': OCI, 'content-length': manifestBytes().length });
        response.write(manifestBytes().subarray(0, 50), () => response.destroy());
        return true;
      },
      /^E_NETWORK .*the connection was cut; tried 3 times/,
    ],
    [
      'a status nobody knows',
      () => (_request, response, seen) => {
        if (!seen.path.endsWith('/manifests/v1')) return false;
        response.writeHead(418).end();
        return true;
      },
      /^E_NETWORK .*status 418/,
    ],
  ];
  it.each(answers)('%s', async (_name, hook, why) => {
    expect(await faultOf(pull(top, reference(await serve(hook()))))).toMatch(why);
  });

  it('an index whose images are all itself', async () => {
    const index = addManifest(
      contents,
      'v1',
      {
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [{ mediaType: INDEX, digest: `sha256:${'3'.repeat(64)}`, size: 200 }],
      },
      INDEX,
    );
    const registry = await serve((_request, response, seen) => {
      if (!seen.path.includes('/manifests/')) return false;
      const { bytes } = contents.manifests.get('v1') as { bytes: Buffer };
      response.writeHead(200, { 'content-type': INDEX }).end(bytes);
      return true;
    });
    expect(await faultOf(pull(top, reference(registry)))).toMatch(
      new RegExp(`^E_DIGEST .*has the digest ${index.digest}`),
    );
  });

  it('indexes in each other without end', async () => {
    let last = addManifest(
      contents,
      'last',
      { schemaVersion: 2, mediaType: INDEX, manifests: [] },
      INDEX,
    );
    for (let depth = 0; depth < 20; depth += 1) {
      last = addManifest(
        contents,
        'v1',
        { schemaVersion: 2, mediaType: INDEX, manifests: [last] },
        INDEX,
      );
    }
    expect(await faultOf(pull(top, reference(await serve())))).toMatch(
      /^E_FORMAT .*more than 8 deep/,
    );
  });

  it('ten thousand layers', async () => {
    const document = manifestDocument();
    addManifest(contents, 'v1', { ...document, layers: Array(10_000).fill(document.layers[0]) });
    const registry = await serve();
    expect(await faultOf(pull(top, reference(registry)))).toMatch(/^E_FORMAT .*layers: /);
    expect(registry.seen.some(({ path }) => path.includes('/blobs/'))).toBe(false);
  });

  it('a layer that lies elsewhere', async () => {
    const document = manifestDocument();
    document.layers[0].mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip';
    document.layers[0].urls = ['http://127.0.0.1:1/secret'];
    addManifest(contents, 'v1', document);
    expect(await faultOf(pull(top, reference(await serve())))).toMatch(/^E_UNSUPPORTED .*foreign/);
  });

  it('a config that is too large', async () => {
    const document = manifestDocument();
    document.config.size = 5_000_000;
    addManifest(contents, 'v1', document);
    contents.blobs.set(document.config.digest, Buffer.alloc(5_000_000));
    expect(await faultOf(pull(top, reference(await serve())))).toMatch(/^E_(FORMAT|DIGEST) /);
  });

  it('what is no registry at all', async () => {
    const registry = await serve((_request, response) => {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html>not found</html>');
      return true;
    });
    expect(await faultOf(pull(top, reference(registry)))).toMatch(
      /^E_SOURCE .*has no tag v1 in test\/app, or no such repository/,
    );
  });
});
