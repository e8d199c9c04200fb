import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../fixtures/image-builder.js';
import { fail, type Handler, type ServerOptions, startServer, type TestServer } from './server.js';

/** What a registry of the test's own holds. */
export interface Contents {
  /** Manifests by tag or digest. */
  manifests: Map<string, { type: string; bytes: Buffer }>;
  blobs: Map<string, Buffer>;
}

/** Looks at a request first; true when it has answered it. */
export type Hook = (...args: Parameters<Handler>) => boolean | Promise<boolean>;

/** The repository that every test registry has. */
export const REPOSITORY = 'test/app';

/** What is in an OCI layout: its first image as the tag `v1`. */
export function contentsOf(layout: string): Contents {
  const directory = join(layout, 'blobs', 'sha256');
  const blobs = new Map(
    readdirSync(directory).map((hex) => [`sha256:${hex}`, readFileSync(join(directory, hex))]),
  );
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const contents: Contents = { manifests: new Map(), blobs };
  for (const [digest, bytes] of blobs) {
    const type = mediaTypeOf(bytes);
    if (type !== undefined) contents.manifests.set(digest, { type, bytes });
  }
  const first = contents.manifests.get(index.manifests[0].digest);
  if (first !== undefined) contents.manifests.set('v1', first);
  return contents;
}

/** Adds a manifest, as a tag too. */
export function addManifest(
  { manifests }: Contents,
  tag: string,
  document: unknown,
  type = 'application/vnd.oci.image.manifest.v1+json',
): { mediaType: string; digest: string; size: number } {
  const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
  const digest = digestOf(bytes);
  manifests.set(tag, { type, bytes });
  manifests.set(digest, { type, bytes });
  return { mediaType: type, digest, size: bytes.length };
}

function mediaTypeOf(bytes: Buffer): string | undefined {
  if (bytes[0] !== 0x7b) return undefined;
  return (JSON.parse(bytes.toString('utf8')) as { mediaType?: string }).mediaType;
}

/** A registry that does what the specification says, except where `hook` answers. */
export function startFakeRegistry(
  options: ServerOptions,
  contents: Contents,
  hook: Hook = () => false,
): Promise<TestServer> {
  return startServer(options, async (request, response, seen) => {
    if (await hook(request, response, seen)) return;
    const { pathname } = new URL(seen.path, 'http://x');
    if (pathname === '/v2/') {
      response.end('{}');
      return;
    }
    const [, repository, kind, name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(pathname) ?? [];
    if (repository !== REPOSITORY) {
      fail(response, 404, 'NAME_UNKNOWN');
    } else if (kind === 'tags') {
      const tags = [...contents.manifests.keys()].filter((tag) => !tag.includes(':'));
      response.end(JSON.stringify({ name: repository, tags }));
    } else if (kind === 'manifests') {
      const manifest = contents.manifests.get(name);
      if (manifest === undefined) {
        fail(response, 404, 'MANIFEST_UNKNOWN');
        return;
      }
      response.writeHead(200, {
        'content-type': manifest.type,
        'content-length': manifest.bytes.length,
        'docker-content-digest': digestOf(manifest.bytes),
      });
      response.end(manifest.bytes);
    } else {
      sendBlob(contents.blobs.get(name), seen.headers.range, response);
    }
  });
}

function sendBlob(
  blob: Buffer | undefined,
  range: string | undefined,
  response: Parameters<Handler>[1],
): void {
  if (blob === undefined) {
    fail(response, 404, 'BLOB_UNKNOWN');
    return;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const part = blob.subarray(from);
  response.writeHead(range === undefined ? 200 : 206, {
    'content-type': 'application/octet-stream',
    'content-length': part.length,
    ...(range !== undefined && {
      'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}`,
    }),
  });
  response.end(part);
}

/** A hook for requests for one blob; `count` counts them from 1. */
export function onBlob(
  digest: string,
  answer: (...args: [...Parameters<Hook>, number]) => boolean,
): Hook {
  let count = 0;
  return (request, response, seen) => {
    if (!seen.path.endsWith(digest)) return false;
    count += 1;
    return answer(request, response, seen, count);
  };
}

/** Sends a part of what the head announces, and cuts the connection. */
export function cut(
  response: Parameters<Hook>[1],
  head: Record<string, string | number>,
  bytes: Buffer,
  status = 200,
): true {
  response.writeHead(status, head);
  response.write(bytes, () => setTimeout(() => response.destroy(), 20));
  return true;
}
