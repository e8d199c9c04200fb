import { readFileSync, renameSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  beginPartial,
  filesBelow,
  makeBlob,
  makePlace,
  type Place,
  put,
  sizeLeft,
} from './support/place.js';
import { startWriter, type Writer } from './support/writer.js';

let place: Place;
let writers: Writer[];
beforeEach(() => {
  place = makePlace();
  writers = [];
});
afterEach(async () => {
  for (const writer of writers) await writer.kill();
  place.remove();
});

const start = (...args: Parameters<typeof startWriter> extends [Place, ...infer R] ? R : never) => {
  const writer = startWriter(place, ...args);
  writers.push(writer);
  return writer;
};

const cache = () => place.settings.directory as string;
const partials = () => filesBelow(join(cache(), 'partial'));

describe('a download that was interrupted', () => {
  it('by kill -9 is gone on with at once', async () => {
    const blob = makeBlob(300_000);
    const first = start(blob, 200_000);
    expect(await first.says()).toBe('begun 0');
    expect(await first.says()).toBe('have 200000');
    await first.kill();
    await place.use(async (opened) => {
      const partial = await beginPartial(opened, blob.digest, blob.bytes.length);
      expect(partial.size).toBe(200_000);
      expect(readFileSync(partial.path).equals(blob.bytes.subarray(0, 200_000))).toBe(true);
      expect(partials()).toHaveLength(1);
      await partial.write(blob.bytes.subarray(200_000));
      const { path } = await partial.complete();
      expect(readFileSync(path).equals(blob.bytes)).toBe(true);
    });
    expect(filesBelow(cache())).toEqual(['CACHEDIR.TAG', `blobs/sha256/${blob.hex}`]);
  });

  it('in this process is gone on with, too', async () => {
    const blob = makeBlob(1000);
    await place.use(async (opened) => {
      const partial = await beginPartial(opened, blob.digest);
      await partial.write(blob.bytes.subarray(0, 600));
      await partial.keep();
      expect(await sizeLeft(opened, blob.digest)).toBe(600);
    });
  });

  it('leaves nothing when nothing was there yet', async () => {
    const blob = makeBlob(1000);
    await place.use(async (opened) => (await beginPartial(opened, blob.digest)).keep());
    expect(partials()).toEqual([]);
  });

  it('several times leaves the longest part', async () => {
    const blob = makeBlob(1000);
    await place.use(async (opened) => {
      for (const size of [300, 700, 500]) {
        const partial = await beginPartial(opened, blob.digest);
        await partial.restart();
        await partial.write(blob.bytes.subarray(0, size));
        await partial.keep();
        for (const name of partials()) {
          renameSync(join(cache(), 'partial', name), place.path(`${size}.${name}`));
        }
      }
      for (const name of filesBelow(place.path()).filter((file) => /^\d+\.sha256-/.test(file))) {
        renameSync(place.path(name), join(cache(), 'partial', name.replace(/^\d+\./, '')));
      }
      expect(partials()).toHaveLength(3);
      expect(await sizeLeft(opened, blob.digest)).toBe(700);
      expect(partials()).toHaveLength(1);
    });
  });

  it('may be begun anew', async () => {
    const blob = makeBlob(1000);
    await place.use(async (opened) => {
      const wrong = await beginPartial(opened, blob.digest);
      await wrong.write(Buffer.alloc(2000, 'x'));
      await wrong.keep();
      const partial = await beginPartial(opened, blob.digest);
      await partial.restart();
      await partial.write(blob.bytes);
      expect(readFileSync((await partial.complete()).path)).toEqual(blob.bytes);
    });
  });
});

describe('a download that another process is busy with', () => {
  it('is waited for', async () => {
    const blob = makeBlob(300_000);
    const first = start(blob, 1000);
    await first.says();
    await first.says();
    const second = start(blob, 0);
    expect(await second.says()).toBe(
      `remark waiting for another build that downloads ${blob.digest}`,
    );
    first.order('complete');
    expect(await second.says()).toBe(`found ${blob.bytes.length}`);
    expect(partials()).toEqual([]);
  });

  it('is taken over when that process dies', async () => {
    const blob = makeBlob(300_000);
    const first = start(blob, 1000);
    await first.says();
    await first.says();
    const waiting = [start(blob, 0), start(blob, 0)];
    for (const one of waiting) expect(await one.says()).toContain('remark waiting');
    await first.kill();
    const answers = waiting.map((one) => one.says());
    const next = await Promise.race(answers.map((answer, index) => answer.then(() => index)));
    expect(await answers[next]).toBe('begun 1000');
    waiting[next]?.order('complete');
    expect(await answers[1 - next]).toBe(`found ${blob.bytes.length}`);
  });

  it('is overtaken with a copy when it does not go on, and both end well', async () => {
    const blob = makeBlob(300_000);
    const first = start(blob, 1000);
    await first.says();
    await first.says();
    const second = start(blob, 0, '300');
    expect(await second.says()).toContain('remark waiting');
    expect(await second.says()).toBe('begun 1000');
    second.order('more 2000');
    expect(await second.says()).toBe('have 3000');
    first.order('more 5000');
    expect(await first.says()).toBe('have 6000');
    expect(partials()).toHaveLength(2);
    for (const one of [second, first]) {
      one.order('complete');
      expect(await one.says()).toBe('have 300000');
      const path = (await one.says()).replace('complete ', '');
      expect(path).toContain('in-use');
    }
    expect(readFileSync(join(cache(), 'blobs/sha256', blob.hex)).equals(blob.bytes)).toBe(true);
    expect(partials()).toEqual([]);
  });

  it('is not waited for when the pull is given up', async () => {
    const blob = makeBlob(300_000);
    const first = start(blob, 1000);
    await first.says();
    await first.says();
    const abort = new AbortController();
    await place.use(async (opened) => {
      const begun = opened.begin(blob.digest, undefined, abort.signal);
      setTimeout(() => abort.abort(new Error('given up')), 100);
      await expect(begun).rejects.toThrow('given up');
    });
  });
});

describe('a download of another machine', () => {
  const foreign = (hex: string, bytes: Buffer) => {
    const name = `sha256-${hex}.001700000000000.${'0'.repeat(12)}-${process.pid}-77.${'a'.repeat(12)}`;
    const path = join(cache(), 'partial', name);
    writeFileSync(path, bytes, { mode: 0o600 });
    return path;
  };

  it('that has long been silent is gone on with, from a copy', async () => {
    const blob = makeBlob(1000);
    await place.use(async (opened) => {
      const path = foreign(blob.hex, blob.bytes.subarray(0, 400));
      utimesSync(path, 1_700_000_000, 1_700_000_000);
      const partial = await beginPartial(opened, blob.digest);
      expect(partial.size).toBe(400);
      expect(partial.path).not.toBe(path);
      await partial.write(blob.bytes.subarray(400));
      await partial.complete();
      expect(statSync(path).size).toBe(400);
    });
  });

  it('that has just grown is waited for', async () => {
    const blob = makeBlob(1000);
    await place.use(
      async (opened) => {
        foreign(blob.hex, blob.bytes.subarray(0, 400));
        expect(await sizeLeft(opened, blob.digest)).toBe(400);
      },
      { stall: 100 },
    );
    expect(place.remarks).toEqual([`waiting for another build that downloads ${blob.digest}`]);
  });

  it('with the PID of a process that lives here is not taken for it', async () => {
    const blob = makeBlob(1000);
    const other = makeBlob(10);
    await place.use(async (opened) => {
      await put(opened, other);
      const mine = await beginPartial(opened, blob.digest);
      await mine.write(blob.bytes.subarray(0, 10));
      const [name = ''] = partials();
      // The same PID, begun at another time: a process that is gone.
      const path = join(cache(), 'partial', name.replace(/-(\d+)-\d+\./, '-$1-12345.'));
      await mine.discard();
      writeFileSync(path, blob.bytes.subarray(0, 300));
      expect(await sizeLeft(opened, blob.digest)).toBe(300);
      expect(partials()).toHaveLength(1);
    });
  });
});
