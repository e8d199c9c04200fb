import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePlatform } from '#rundle/oci/platform.js';
import type { RegistryAccess } from '#rundle/registry/access.js';
import { spoolCache } from '#rundle/registry/spool.js';
import { loadSource } from '#rundle/source/open.js';
import { addImage, type BuiltImage, writeDocument, writeIndex } from '../fixtures/image-builder.js';
import { tarArchive } from '../layer/tar-builder.js';
import { makeCertificates } from '../registry/support/certificates.js';
import {
  ACCOUNT,
  type RealRegistry,
  skopeoCopy,
  startRealRegistry,
} from '../registry/support/docker-registry.js';
import { pull } from '../registry/support/pull.js';
import { LARGE, sampleLayout } from '../registry/support/sample.js';
import { faultOf, shell } from './support/scratch.js';
import { listTree } from './support/tree-listing.js';

const INDEX = 'application/vnd.oci.image.index.v1+json';

let top: string;
let plain: RealRegistry;
let guarded: RealRegistry;
let secure: RealRegistry;
let built: BuiltImage;
let authority: string;

beforeAll(async () => {
  top = mkdtempSync(join(tmpdir(), 'rundle-docker-'));
  built = sampleLayout(join(top, 'sample'));
  const made = makeCertificates(top, ['IP:127.0.0.1']);
  authority = readFileSync(made.authority, 'utf8');
  [plain, guarded, secure] = await Promise.all([
    startRealRegistry(join(top, 'plain')),
    startRealRegistry(join(top, 'guarded'), { htpasswd: true }),
    startRealRegistry(join(top, 'secure'), { tls: made, htpasswd: true }),
  ]);
  skopeoCopy(`oci:${top}/sample:v1`, `docker://${plain.host}/team/app:v1`);
  const credentials = `${ACCOUNT.username}:${ACCOUNT.password}`;
  for (const { host } of [guarded, secure]) {
    skopeoCopy(
      `oci:${top}/sample:v1`,
      `docker://${host}/team/app:v1`,
      `--dest-creds=${credentials}`,
    );
  }
});
afterAll(async () => {
  await Promise.all([plain, guarded, secure].map((registry) => registry?.stop()));
  rmSync(top, { recursive: true, force: true });
});

/** The tree that the layout itself gives. */
async function sampleTree() {
  shell(top, 'mkdir -p sample-spool');
  const { root } = await loadSource(`oci:${top}/sample:v1`, {
    spoolDirectory: join(top, 'sample-spool'),
  });
  return await listTree(root);
}

const given: Partial<RegistryAccess> = { credentials: async () => ACCOUNT };

describe('docker-registry', () => {
  it('gives an image without more ado', async () => {
    const { provenance, config, root } = await pull(top, `${plain.host}/team/app:v1`);
    expect(provenance).toEqual({
      transport: 'docker',
      reference: `${plain.host}/team/app:v1`,
      manifestDigest: built.manifest.digest,
      configDigest: built.config.digest,
      diffIds: built.diffIds,
    });
    expect(config.entrypoint).toEqual(['/bin/app']);
    expect(await listTree(root)).toEqual(await sampleTree());
    expect((await listTree(root)).large?.size).toBe(LARGE);
  });

  it("gives Docker's schema 2", async () => {
    skopeoCopy(`oci:${top}/sample:v1`, `docker://${plain.host}/team/old:v1`, '--format=v2s2');
    const { provenance } = await pull(top, `${plain.host}/team/old:v1`);
    expect(provenance.diffIds).toEqual(built.diffIds);
  });

  it('gives what umoci and buildah make', async () => {
    const script = `
      umoci init --layout made && umoci new --image made:v1
      umoci unpack --image made:v1 unpacked
      echo hello > unpacked/rootfs/greeting; mkfifo unpacked/rootfs/fifo
      umoci repack --image made:v1 unpacked && umoci config --image made:v1 --config.cmd /bin/true
      container=$(buildah --storage-driver vfs --root "$PWD/storage" --runroot "$PWD/run" from scratch)
      buildah --storage-driver vfs --root "$PWD/storage" --runroot "$PWD/run" copy -q "$container" unpacked/rootfs/greeting /there/
      buildah --storage-driver vfs --root "$PWD/storage" --runroot "$PWD/run" commit -q "$container" oci:made:v2`;
    shell(top, `(${script}) >&2 2>log || { cat log >&2; exit 1; }`);
    for (const tag of ['v1', 'v2']) {
      skopeoCopy(`oci:${top}/made:${tag}`, `docker://${plain.host}/made:${tag}`);
    }
    const first = await pull(top, `${plain.host}/made:v1`);
    expect(Object.keys(await listTree(first.root))).toEqual(['', 'fifo', 'greeting']);
    const second = await pull(top, `${plain.host}/made:v2`);
    expect(Object.keys(await listTree(second.root))).toEqual(['', 'there', 'there/greeting']);
  });

  it('gives the image of an index for a platform', async () => {
    const directory = join(top, 'several');
    const image = (architecture: string) => {
      const { manifest } = addImage(
        directory,
        [{ tar: tarArchive([{ name: architecture, content: 'x' }]) }],
        { architecture },
      );
      return { ...manifest, platform: { os: 'linux', architecture } };
    };
    const index = writeDocument(
      directory,
      { schemaVersion: 2, mediaType: INDEX, manifests: [image('amd64'), image('arm64')] },
      INDEX,
    );
    writeIndex(directory, [
      { ...index, annotations: { 'org.opencontainers.image.ref.name': 'v1' } },
    ]);
    skopeoCopy(`oci:${directory}:v1`, `docker://${plain.host}/several:v1`, '--all');
    for (const architecture of ['amd64', 'arm64']) {
      const platform = parsePlatform(`linux/${architecture}`);
      const { root, provenance } = await pull(top, `${plain.host}/several:v1`, {}, { platform });
      expect(Object.keys(await listTree(root))).toEqual(['', architecture]);
      expect(provenance.indexDigest).toBe(index.digest);
    }
    const platform = parsePlatform('linux/s390x');
    expect(await faultOf(pull(top, `${plain.host}/several:v1`, {}, { platform }))).toMatch(
      /^E_PLATFORM .*linux\/amd64, linux\/arm64/,
    );
  });

  it('says what is not there', async () => {
    expect(await faultOf(pull(top, `${plain.host}/team/app:v2`))).toMatch(
      /^E_SOURCE .*has no tag v2 in team\/app .*v1/,
    );
    expect(await faultOf(pull(top, `${plain.host}/team/nothing`))).toMatch(
      /^E_SOURCE .*has no repository team\/nothing/,
    );
    expect(await faultOf(pull(top, `${plain.host}/team/app@sha256:${'a'.repeat(64)}`))).toMatch(
      /^E_SOURCE .*has no sha256:aaaa/,
    );
  });

  it('lets in who has the password', async () => {
    await pull(top, `${guarded.host}/team/app:v1`, given);
    expect(await faultOf(pull(top, `${guarded.host}/team/app:v1`))).toMatch(
      /^E_AUTH .*does not let everybody pull/,
    );
    const wrong = { credentials: async () => ({ ...ACCOUNT, password: 'battery staple' }) };
    const fault = await faultOf(pull(top, `${guarded.host}/team/app:v1`, wrong));
    expect(fault).toMatch(/^E_AUTH .*does not let these credentials pull/);
    expect(fault).not.toMatch(/battery/);
  });

  it('is spoken to by TLS where it has it', async () => {
    await pull(top, `${secure.host}/team/app:v1`, { ...given, certificates: [authority] });
    expect(await faultOf(pull(top, `${secure.host}/team/app:v1`, given))).toMatch(
      /^E_NETWORK .*unknown authority/,
    );
  });

  it("holds the same blobs as skopeo's copy and the cache", async () => {
    const cache = join(top, 'cache');
    shell(top, 'mkdir cache');
    await pull(top, `${plain.host}/team/app:v1`, { cache: spoolCache(cache) });
    skopeoCopy(`docker://${plain.host}/team/app:v1`, `oci:${top}/copied:v1`);
    const copied = readdirSync(join(top, 'copied/blobs/sha256'));
    expect(
      readdirSync(cache)
        .map((name) => name.replace('sha256-', ''))
        .sort(),
    ).toEqual(copied.sort());
    for (const name of copied) {
      const mine = readFileSync(join(cache, `sha256-${name}`));
      expect(mine.equals(readFileSync(join(top, 'copied/blobs/sha256', name)))).toBe(true);
    }
  });
});
