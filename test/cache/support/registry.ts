import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeWorkspace, rundle, type Workspace } from '../../commands/support/rundle.js';
import type { BuiltImage } from '../../fixtures/image-builder.js';
import { contentsOf, startFakeRegistry } from '../../registry/support/fake-registry.js';
import { sampleLayout } from '../../registry/support/sample.js';
import type { TestServer } from '../../registry/support/server.js';

/** A registry with one image, a workspace to build it in, and what the registry has sent. */
export interface Scene {
  place: Workspace;
  image: BuiltImage;
  /** The layer that takes longest. */
  large: { digest: string; hex: string; size: number; bytes: Buffer };
  server: TestServer;
  /** The source for rundle. */
  source: string;
  /** Every time the large layer was sent: from which byte on, and how many bytes. */
  transfers: { from: number; sent: number }[];
  /** While it is closed, the large layer is sent up to its middle only. */
  gate: { isOpen: boolean };
  /** Path in the cache that the workspace's home has. */
  cache(...names: string[]): string;
  /** Builds the image, with more arguments. */
  build(
    output: string,
    args?: string[],
    options?: Parameters<typeof rundle>[2],
  ): ReturnType<typeof rundle>;
  /** What was asked since the last call, without the prefix that all have, and without the question whether it is a registry. */
  asked(): string[];
}

const CHUNK = 64 * 1024;

export async function makeScene(): Promise<Scene> {
  const place = makeWorkspace();
  const image = sampleLayout(place.path('layout'));
  const contents = contentsOf(place.path('layout'));
  const digest = image.layers[1]?.digest ?? '';
  const bytes = contents.blobs.get(digest) as Buffer;
  const gate = { isOpen: true };
  const transfers: Scene['transfers'] = [];
  const server = await startFakeRegistry(
    { name: 'registry' },
    contents,
    async (_, response, seen) => {
      if (!seen.path.endsWith(digest)) return false;
      const from = Number(/^bytes=(\d+)-$/.exec(seen.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(seen.headers.range === undefined ? 200 : 206, {
        'content-length': bytes.length - from,
        'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
      });
      const transfer = { from, sent: 0 };
      transfers.push(transfer);
      for (let at = from; at < bytes.length && !response.destroyed; ) {
        if (!gate.isOpen && at > bytes.length / 2) {
          await sleep(20);
          continue;
        }
        const part = bytes.subarray(at, at + CHUNK);
        response.write(part);
        at += part.length;
        transfer.sent += part.length;
        await sleep(2);
      }
      response.end();
      return true;
    },
  );
  const source = `docker://${server.host}/test/app:v1`;
  return {
    place,
    image,
    large: { digest, hex: digest.slice('sha256:'.length), size: bytes.length, bytes },
    server,
    source,
    transfers,
    gate,
    cache: (...names) => place.path('.cache/rundle', ...names),
    build: (output, args = [], options = {}) => {
      // The name of a bundle is part of it.
      mkdirSync(place.path(output), { recursive: true });
      const file = `${output}/app.run`;
      return rundle(place, ['build', source, '-q', '-o', file, ...args], options);
    },
    asked: () =>
      server.seen
        .splice(0)
        .map(({ path }) => path.replace('/v2/test/app/', ''))
        .filter((path) => path !== '/v2/'),
  };
}

/** Waits until a partial download in the cache has at least `size` bytes, and gives its path. */
export async function untilPartial(scene: Scene, size: number): Promise<string> {
  for (;;) {
    const names = await namesIn(scene.cache('partial'));
    for (const name of names) {
      const path = scene.cache('partial', name);
      if (name.includes(scene.large.hex) && sizeOf(path) >= size) return path;
    }
    await sleep(10);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function sizeOf(path: string): number {
  try {
    return readFileSync(path).length;
  } catch {
    return 0;
  }
}

/** The entries of a cache or a layout, and whether all of them hold what their names say. */
export function entriesOf(directory: string): string[] {
  return readdirSync(join(directory, 'blobs/sha256')).sort();
}
