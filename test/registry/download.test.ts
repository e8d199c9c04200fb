import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SourceStep } from '#rundle/source/transport.js';
import { faultOf } from '../source/support/scratch.js';
import { cut, type Hook, onBlob, REPOSITORY, startFakeRegistry } from './support/fake-registry.js';
import { IMPATIENT, pull } from './support/pull.js';
import { makeSample } from './support/sample-contents.js';
import { fail } from './support/server.js';

const { top, built, contents } = makeSample('download');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(top, 'pulls-'));
});

/** The sample's large layer, which the tests below get at in unkind ways. */
const large = () => built.layers[1]?.digest ?? '';
const blob = () => contents.blobs.get(large()) as Buffer;

const serve = (hook: Hook) => startFakeRegistry({ name: 'registry' }, contents, hook);

describe('a download', () => {
  it('of an image is complete, and reported layer by layer', async () => {
    const { host, seen } = await serve(() => false);
    const steps: SourceStep[] = [];
    const loaded = await pull(
      directory,
      `${host}/${REPOSITORY}:v1`,
      {},
      {
        onProgress: (step) => steps.push(step),
      },
    );
    expect(loaded.provenance).toEqual({
      transport: 'docker',
      reference: `${host}/${REPOSITORY}:v1`,
      manifestDigest: built.manifest.digest,
      configDigest: built.config.digest,
      diffIds: built.diffIds,
    });
    const last = new Map(
      steps.filter(({ phase }) => phase === 'download').map((step) => [step.name, step]),
    );
    expect([...last.values()].map(({ name, done, total }) => [name, done, total])).toEqual(
      built.layers.map(({ digest, size }) => [digest, size, size]),
    );
    // Every layer is announced before the first byte of any, so that the sum is known.
    expect(steps.slice(0, 3).map(({ done }) => done)).toEqual([0, 0, 0]);
    const paths = seen.map(({ path }) => path).filter((path) => path !== '/v2/');
    expect(paths).toHaveLength(5);
    for (const { headers } of seen) {
      expect(headers['accept-encoding']).toBe('identity');
      expect(headers.authorization).toBeUndefined();
    }
  });

  it('that is cut goes on where it stopped', async () => {
    const { host, seen } = await serve(
      onBlob(large(), (_request, response, one, count) => {
        const from = Number(/=(\d+)/.exec(one.headers.range ?? '')?.[1] ?? 0);
        if (count > 3) return false;
        const rest = blob().subarray(from);
        const head = {
          'content-length': rest.length,
          ...(from > 0 && {
            'content-range': `bytes ${from}-${blob().length - 1}/${blob().length}`,
          }),
        };
        return cut(response, head, rest.subarray(0, 600_000), from > 0 ? 206 : 200);
      }),
    );
    await pull(directory, `${host}/${REPOSITORY}:v1`, { patience: { ...IMPATIENT, attempts: 5 } });
    const starts = seen
      .filter(({ path }) => path.endsWith(large()))
      .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? 'bytes=0-')?.[1]));
    expect(starts).toHaveLength(4);
    // What a cut connection had not delivered yet is asked for again.
    for (const [at, start] of starts.entries()) {
      if (at > 0) expect(start).toBeGreaterThan(starts[at - 1] ?? Number.NaN);
      expect(start).toBeLessThanOrEqual(at * 600_000);
    }
  });

  it('starts anew where the server ignores the range', async () => {
    const { host, seen } = await serve(
      onBlob(large(), (_request, response, _seen, count) => {
        if (count === 1)
          return cut(response, { 'content-length': blob().length }, blob().subarray(0, 500_000));
        response.writeHead(200, { 'content-length': blob().length });
        response.end(blob());
        return true;
      }),
    );
    await pull(directory, `${host}/${REPOSITORY}:v1`);
    expect(seen.filter(({ path }) => path.endsWith(large()))).toHaveLength(2);
  });

  it.each([
    [
      'another part',
      (from: number) => ({ 'content-range': `bytes ${from - 1}-${from + 2}/${blob().length}` }),
      206,
    ],
    ['no part', () => ({}), 206],
    [
      'of another whole',
      (from: number) => ({ 'content-range': `bytes ${from}-900000/900001` }),
      206,
    ],
    ['no such range', () => ({}), 416],
  ])('starts anew where a range gives %s', async (_name, head, status) => {
    const { host, seen } = await serve(
      onBlob(large(), (_request, response, { headers }, count) => {
        const whole = { 'content-length': blob().length };
        if (count === 1) return cut(response, whole, blob().subarray(0, 500_000));
        if (count > 2) return false;
        const from = Number(/\d+/.exec(headers.range ?? '')?.[0]);
        response.writeHead(status, head(from) as Record<string, string>);
        response.end('what');
        return true;
      }),
    );
    await pull(directory, `${host}/${REPOSITORY}:v1`);
    const ranges = seen
      .filter(({ path }) => path.endsWith(large()))
      .map(({ headers }) => headers.range);
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/), undefined]);
  });

  it('gives up when the connection is cut again and again', async () => {
    const { host } = await serve(
      onBlob(large(), (_request, response) =>
        cut(response, { 'content-length': blob().length }, blob().subarray(0, 1000)),
      ),
    );
    expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`))).toMatch(
      /^E_NETWORK reading docker:\/\/.*: 127.0.0.1:\d+: the connection was cut; tried 3 times/,
    );
  });

  it('gives up when nothing comes any more', async () => {
    const { host } = await serve(
      onBlob(large(), (_request, response) => {
        response.writeHead(200, { 'content-length': blob().length });
        response.write('x');
        return true;
      }),
    );
    const patience = { ...IMPATIENT, stall: 200, attempts: 2 };
    expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`, { patience }))).toMatch(
      /^E_NETWORK .*: nothing came for 0.2 seconds; tried 2 times/,
    );
  });

  it('gives up when there is no answer', async () => {
    const { host } = await serve(onBlob(large(), () => true));
    const patience = { ...IMPATIENT, headers: 200, attempts: 2 };
    expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`, { patience }))).toMatch(
      /^E_NETWORK .*: no answer within 0.2 seconds; tried 2 times/,
    );
  });

  it('waits as long as a busy server asks, and no longer than it may', async () => {
    let count = 0;
    const busy: Hook = (_request, response, seen) => {
      if (!seen.path.includes('/manifests/')) return false;
      count += 1;
      if (count > 2) return false;
      response.setHeader('retry-after', '0');
      fail(response, count === 1 ? 429 : 503, 'TOOMANYREQUESTS');
      return true;
    };
    const { host } = await serve(busy);
    await pull(directory, `${host}/${REPOSITORY}:v1`);
    expect(count).toBe(3);
  });

  it.each([
    [429, 'has had too many requests (status 429, TOOMANYREQUESTS)', 'try again later'],
    [500, 'cannot answer now (status 500, TOOMANYREQUESTS)', ''],
    [503, 'cannot answer now (status 503, TOOMANYREQUESTS)', ''],
  ])('fails after several answers with %i', async (status, why, hint) => {
    const { host, seen } = await serve((_request, response, one) => {
      if (!one.path.includes('/blobs/')) return false;
      fail(response, status, 'TOOMANYREQUESTS');
      return true;
    });
    const fault = await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`));
    expect(fault).toContain(`: ${host} ${why}; tried 3 times`);
    expect(fault).toContain(hint);
    expect(seen.filter(({ path }) => path.endsWith(built.config.digest))).toHaveLength(3);
  });

  it('does not wait an hour', async () => {
    const { host } = await serve((_request, response, one) => {
      if (!one.path.includes('/manifests/')) return false;
      response.setHeader('retry-after', '3600');
      fail(response, 429, 'TOOMANYREQUESTS');
      return true;
    });
    expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`))).toMatch(
      /it wants to be asked again in 3600 seconds/,
    );
  });

  it.each([
    [
      'wrong bytes',
      () => Buffer.alloc(blob().length, 1),
      /^E_DIGEST .*layer 2 of 3.* has the digest sha256:/,
    ],
    ['fewer bytes', () => blob().subarray(1), /^E_DIGEST .*layer 2 of 3.* bytes, announced were/],
    [
      'more bytes',
      () => Buffer.concat([blob(), blob()]),
      /^E_DIGEST .*layer 2 of 3.* bytes, announced were/,
    ],
  ])('of %s fails, and leaves nothing', async (_name, bytes, why) => {
    const { host } = await serve(
      onBlob(large(), (_request, response) => {
        response.writeHead(200, { 'content-length': bytes().length });
        response.end(bytes());
        return true;
      }),
    );
    expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`))).toMatch(why);
    const blobs = readdirSync(directory).flatMap((name) =>
      readdirSync(join(directory, name, 'blobs')),
    );
    expect(blobs).not.toContain(large().replace(':', '-'));
  });

  it('without an announced length is stopped where it becomes too long', async () => {
    const { host } = await serve(
      onBlob(large(), (_request, response) => {
        response.writeHead(200);
        response.write(blob());
        response.end('x');
        return true;
      }),
    );
    expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`))).toMatch(
      /^E_DIGEST .* more than the \d+ bytes/,
    );
  });

  it('that is missing says which', async () => {
    const { host } = await serve(
      onBlob(large(), (_request, response) => {
        fail(response, 404, 'BLOB_UNKNOWN');
        return true;
      }),
    );
    expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`))).toMatch(
      /^E_SOURCE .*layer 2 of 3 .* does not have it, although the manifest names it/,
    );
  });

  describe('that the server compresses although nobody asked', () => {
    const plain = () => built.layers[2]?.digest ?? '';
    const text = () => contents.blobs.get(plain()) as Buffer;

    it.each([
      ['with its length', true],
      ['without', false],
    ])('is uncompressed: %s', async (_name, hasLength) => {
      const packed = gzipSync(text());
      const { host } = await serve((_request, response, seen) => {
        if (!seen.path.endsWith(plain())) return false;
        response.setHeader('content-encoding', 'gzip');
        if (hasLength) response.setHeader('content-length', packed.length);
        response.write(packed);
        response.end();
        return true;
      });
      const { provenance } = await pull(directory, `${host}/${REPOSITORY}:v1`);
      expect(provenance.diffIds).toEqual(built.diffIds);
    });

    it.each([true, false])(
      'is left alone where the layer itself is meant; length: %s',
      async (hasLength) => {
        const { host } = await serve(
          onBlob(large(), (_request, response) => {
            response.setHeader('content-encoding', 'gzip');
            if (hasLength) response.setHeader('content-length', blob().length);
            response.write(blob());
            response.end();
            return true;
          }),
        );
        const { provenance } = await pull(directory, `${host}/${REPOSITORY}:v1`);
        expect(provenance.diffIds).toEqual(built.diffIds);
      },
    );

    it('fails when what comes is neither', async () => {
      const { host } = await serve((_request, response, seen) => {
        if (!seen.path.endsWith(plain())) return false;
        response.setHeader('content-encoding', 'gzip');
        response.end('nonsense');
        return true;
      });
      expect(await faultOf(pull(directory, `${host}/${REPOSITORY}:v1`))).toMatch(
        /^E_DIGEST .*layer 3 of 3.*cannot be uncompressed/,
      );
    });

    it('goes for manifests and configs too', async () => {
      const { host } = await serve((_request, response, seen) => {
        const isManifest = seen.path.endsWith('/manifests/v1');
        if (!isManifest && !seen.path.endsWith(built.config.digest)) return false;
        const { digest, mediaType } = isManifest ? built.manifest : built.config;
        const packed = gzipSync(contents.blobs.get(digest) as Buffer);
        response.writeHead(200, {
          'content-type': mediaType,
          'content-encoding': 'gzip',
          'content-length': packed.length,
        });
        response.end(packed);
        return true;
      });
      const { provenance } = await pull(directory, `${host}/${REPOSITORY}:v1`);
      expect(provenance.manifestDigest).toBe(built.manifest.digest);
    });
  });
});
