import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import type { FileRange } from '#rundle/blob/file-range.js';
import type { BlobCache } from '#rundle/registry/access.js';
import { spoolCache } from '#rundle/registry/spool.js';
import { faultOf } from '../source/support/scratch.js';
import { cut, type Hook, onBlob, REPOSITORY, startFakeRegistry } from './support/fake-registry.js';
import { IMPATIENT, pull } from './support/pull.js';
import { makeSample } from './support/sample-contents.js';

const { top, built, contents } = makeSample('cached');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(top, 'cache-'));
});

const large = () => built.layers[1]?.digest ?? '';
const blob = () => contents.blobs.get(large()) as Buffer;
const serve = (hook?: Hook) => startFakeRegistry({ name: 'registry' }, contents, hook);

it('a registry that is started anew is waited for', async () => {
  let first = true;
  let again: Promise<unknown> | undefined;
  const restarting = await serve((_request, _response, { path }) => {
    if (!path.endsWith(large()) || !first) return false;
    first = false;
    const { port } = restarting;
    again = restarting
      .close()
      // Long enough that somebody is refused.
      .then(() => sleep(300))
      .then(() => startFakeRegistry({ name: 'registry', port }, contents));
    return true;
  });
  const patience = { ...IMPATIENT, attempts: 12, firstWait: 10 };
  const { provenance } = await pull(top, `${restarting.host}/${REPOSITORY}:v1`, { patience });
  await again;
  expect(provenance.diffIds).toEqual(built.diffIds);
});

describe('a cache', () => {
  let kept: BlobCache;
  const partial = () => join(directory, large().replace(':', '-'));
  const layerRequests = (
    seen: readonly { path: string; headers: { range?: string | undefined } }[],
  ) => seen.filter(({ path }) => path.endsWith(large())).map(({ headers }) => headers.range);

  beforeEach(() => {
    kept = spoolCache(directory);
  });

  it('that has everything is asked for all but the tag', async () => {
    const { host, seen } = await serve();
    await pull(top, `${host}/${REPOSITORY}:v1`, { cache: kept });
    const before = seen.length;
    await pull(top, `${host}/${REPOSITORY}:v1`, { cache: kept });
    expect(seen.slice(before).map(({ path }) => path)).toEqual([
      '/v2/',
      `/v2/${REPOSITORY}/manifests/v1`,
    ]);
    const { length } = seen;
    await pull(top, `${host}/${REPOSITORY}@${built.manifest.digest}`, { cache: kept });
    expect(seen).toHaveLength(length);
  });

  it('lets a download go on that an earlier one began', async () => {
    writeFileSync(partial(), blob().subarray(0, 1_000_000));
    const { host, seen } = await serve();
    await pull(top, `${host}/${REPOSITORY}:v1`, { cache: kept });
    expect(layerRequests(seen)).toEqual(['bytes=1000000-']);
    expect(readFileSync(partial()).equals(blob())).toBe(true);
  });

  it.each([
    ['whole', () => blob(), []],
    ['damaged', () => Buffer.alloc(1_000_000, 1), ['bytes=1000000-', undefined]],
    ['damaged at full length', () => Buffer.alloc(blob().length, 1), [undefined]],
    ['too long', () => Buffer.concat([blob(), Buffer.alloc(9)]), [undefined]],
  ])('with what was left there %s gives the right layer', async (_name, bytes, ranges) => {
    writeFileSync(partial(), bytes());
    const { host, seen } = await serve();
    await pull(top, `${host}/${REPOSITORY}:v1`, { cache: kept });
    expect(layerRequests(seen)).toEqual(ranges);
    expect(readFileSync(partial()).equals(blob())).toBe(true);
  });

  it('keeps what came of a download that failed', async () => {
    const { host } = await serve(
      onBlob(large(), (_request, response) =>
        cut(response, { 'content-length': blob().length }, blob().subarray(0, 1000)),
      ),
    );
    await faultOf(pull(top, `${host}/${REPOSITORY}:v1`, { cache: kept }));
    const left = readFileSync(partial());
    expect(left.length).toBeGreaterThan(0);
    expect(left.equals(blob().subarray(0, left.length))).toBe(true);
  });

  it('that was damaged is mended', async () => {
    const { host, seen } = await serve();
    const rejected: string[] = [];
    const damaged: BlobCache = {
      ...kept,
      find: async (digest, size): Promise<FileRange | undefined> => {
        if (digest !== large() || rejected.includes(digest)) return kept.find(digest, size);
        const path = join(directory, 'damaged');
        writeFileSync(path, Buffer.alloc(blob().length, 3));
        return { path, offset: 0, size: blob().length };
      },
      reject: async (digest) => {
        rejected.push(digest);
      },
    };
    const { provenance } = await pull(top, `${host}/${REPOSITORY}:v1`, { cache: damaged });
    expect(provenance.diffIds).toEqual(built.diffIds);
    expect(rejected).toEqual([large()]);
    expect(layerRequests(seen)).toEqual([undefined]);
  });
});
