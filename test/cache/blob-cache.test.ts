import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readOnlyCaches } from '#rundle/cache/location.js';
import { beginPartial, filesBelow, makeBlob, makePlace, type Place, put } from './support/place.js';

let place: Place;
beforeEach(() => {
  place = makePlace();
});
afterEach(() => place.remove());

const cache = () => place.settings.directory as string;
const entry = (hex: string, root = cache()) => join(root, 'blobs/sha256', hex);
const modeOf = (path: string) => (lstatSync(path).mode & 0o7777).toString(8);

describe('the cache', () => {
  it('keeps blobs as an OCI layout does, for its user alone', async () => {
    const blob = makeBlob(5000);
    const old = process.umask(0);
    try {
      await place.use((opened) => put(opened, blob));
    } finally {
      process.umask(old);
    }
    expect(readFileSync(entry(blob.hex))).toEqual(blob.bytes);
    for (const directory of ['', 'blobs', 'blobs/sha256', 'partial', 'in-use']) {
      expect(modeOf(join(cache(), directory)), directory).toBe('700');
    }
    expect(modeOf(entry(blob.hex))).toBe('600');
    expect(filesBelow(cache())).toEqual(['CACHEDIR.TAG', `blobs/sha256/${blob.hex}`]);
    expect(filesBelow(place.path('fallback'))).toEqual([]);
    await place.use(async (opened) => {
      const found = await opened.find(blob.digest, 5000);
      expect(readFileSync(found?.path ?? '')).toEqual(blob.bytes);
      expect(await opened.begin(blob.digest, 5000)).toMatchObject({ offset: 0, size: 5000 });
      expect(await opened.find(makeBlob(1).digest, undefined)).toBeUndefined();
    });
    expect(place.remarks).toEqual([]);
  });

  it('shows nothing that is not complete', async () => {
    const blob = makeBlob(5000);
    await place.use(async (opened) => {
      const partial = await beginPartial(opened, blob.digest, 5000);
      await partial.write(blob.bytes);
      expect(await opened.find(blob.digest, 5000)).toBeUndefined();
      expect(existsSync(entry(blob.hex))).toBe(false);
      await partial.discard();
    });
    expect(filesBelow(cache())).toEqual(['CACHEDIR.TAG']);
  });

  it('notes when an entry is used', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, blob));
    utimesSync(entry(blob.hex), 1000, 1000);
    await place.use((opened) => opened.find(blob.digest, 10));
    expect(statSync(entry(blob.hex)).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
  });

  it('keeps what a build uses when the entry is removed', async () => {
    const blob = makeBlob(10);
    await place.use(async (opened) => {
      const written = await put(opened, blob);
      const found = await opened.find(blob.digest, 10);
      rmSync(entry(blob.hex));
      expect(readFileSync(written)).toEqual(blob.bytes);
      expect(readFileSync(found?.path ?? '')).toEqual(blob.bytes);
    });
    expect(filesBelow(cache())).toEqual(['CACHEDIR.TAG']);
  });

  it('may be a symbolic link, as homes on another disk are', async () => {
    mkdirSync(place.path('disk'), { mode: 0o700 });
    symlinkSync(place.path('disk'), cache());
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, blob));
    expect(readFileSync(entry(blob.hex, place.path('disk')))).toEqual(blob.bytes);
    expect(place.remarks).toEqual([]);
  });

  it('leaves entries readable for whom their directory is', async () => {
    await place.use((opened) => put(opened, makeBlob(10)));
    execFileSync('chmod', ['-R', 'a+rX', cache()]);
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, blob));
    expect(modeOf(entry(blob.hex))).toBe('644');
    expect(place.remarks).toEqual([]);
  });
});

describe('an entry that is not what it should be', () => {
  it('because it is too short or too long is not there', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, blob));
    for (const size of [9, 11]) {
      truncateSync(entry(blob.hex), size);
      await place.use(async (opened) => {
        expect(await opened.find(blob.digest, 10)).toBeUndefined();
        const partial = await beginPartial(opened, blob.digest, 10);
        expect(partial.size).toBe(0);
        await partial.write(blob.bytes);
        await partial.complete();
      });
      expect(readFileSync(entry(blob.hex))).toEqual(blob.bytes);
    }
  });

  it('because it is a symbolic link is replaced, and what it points to is left alone', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, makeBlob(1)));
    writeFileSync(place.path('victim'), blob.bytes);
    symlinkSync(place.path('victim'), entry(blob.hex));
    await place.use(async (opened) => {
      expect(await opened.find(blob.digest, undefined)).toBeUndefined();
      await put(opened, blob);
    });
    expect(lstatSync(entry(blob.hex)).isFile()).toBe(true);
    expect(lstatSync(place.path('victim')).ino).not.toBe(lstatSync(entry(blob.hex)).ino);
  });

  it('because a link was planted where a download would go on is passed over', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, makeBlob(1)));
    writeFileSync(place.path('victim'), 'precious');
    const name = `sha256-${blob.hex}.001700000000000.free.${'a'.repeat(12)}`;
    symlinkSync(place.path('victim'), join(cache(), 'partial', name));
    await place.use((opened) => put(opened, blob));
    expect(readFileSync(place.path('victim'), 'utf8')).toBe('precious');
    expect(readFileSync(entry(blob.hex))).toEqual(blob.bytes);
  });

  it('because a directory stands there does not stop the build', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, makeBlob(1)));
    mkdirSync(join(entry(blob.hex), 'x'), { recursive: true });
    await place.use(async (opened) => {
      expect(readFileSync(await put(opened, blob))).toEqual(blob.bytes);
    });
    expect(filesBelow(join(cache(), 'partial'))).toEqual([]);
  });

  it('because its bytes are wrong is removed when it is rejected', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, blob));
    writeFileSync(entry(blob.hex), 'wrong byte');
    await place.use(async (opened) => {
      await opened.find(blob.digest, 10);
      await opened.reject(blob.digest);
      expect(existsSync(entry(blob.hex))).toBe(false);
      expect(await opened.find(blob.digest, 10)).toBeUndefined();
      await put(opened, blob);
      expect(readFileSync((await opened.find(blob.digest, 10))?.path ?? '')).toEqual(blob.bytes);
    });
    expect(readFileSync(entry(blob.hex))).toEqual(blob.bytes);
  });

  it('is left alone when another build has put a sound one there meanwhile', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, blob));
    writeFileSync(entry(blob.hex), 'wrong byte');
    await place.use(async (opened) => {
      await opened.find(blob.digest, 10);
      writeFileSync(place.path('sound'), blob.bytes);
      execFileSync('mv', [place.path('sound'), entry(blob.hex)]);
      await opened.reject(blob.digest);
      expect(readFileSync(entry(blob.hex))).toEqual(blob.bytes);
    });
  });
});

describe('a cache that cannot be written to', () => {
  /** Stores a blob and expects it in the fallback directory, with one line. */
  const expectFallback = async (reason: RegExp) => {
    const blobs = [makeBlob(100), makeBlob(100)];
    await place.use(async (opened) => {
      for (const blob of blobs) {
        const path = await put(opened, blob);
        expect(path.startsWith(place.path('fallback'))).toBe(true);
        expect(await opened.find(blob.digest, 100)).toEqual({ path, offset: 0, size: 100 });
      }
    });
    expect(place.remarks).toHaveLength(1);
    expect(place.remarks[0]).toMatch(reason);
    expect(place.remarks[0]).not.toContain('\n');
  };

  it('because it belongs to another user is read all the same', async () => {
    const blob = makeBlob(10);
    await place.use((opened) => put(opened, blob));
    chownSync(cache(), 12345, 12345);
    await expectFallback(/^downloads are not cached: .*belongs to another user$/);
    await place.use(async (opened) => {
      const found = await opened.find(blob.digest, 10);
      expect(found?.path).toBe(entry(blob.hex));
    });
  });

  it.each(['', 'blobs', 'blobs/sha256', 'partial', 'in-use'])(
    'because others may write to it (%j)',
    async (directory) => {
      await place.use((opened) => put(opened, makeBlob(10)));
      chmodSync(join(cache(), directory), 0o777);
      await expectFallback(/^downloads are not cached: .*others may write to/);
    },
  );

  it.each(['blobs', 'blobs/sha256', 'partial', 'in-use'])(
    'because a link stands for a directory (%j)',
    async (directory) => {
      mkdirSync(place.path('elsewhere'), { mode: 0o700 });
      mkdirSync(join(cache(), directory, '..'), { recursive: true, mode: 0o700 });
      symlinkSync(place.path('elsewhere'), join(cache(), directory));
      await expectFallback(/^downloads are not cached: .*is not a directory/);
      expect(filesBelow(place.path('elsewhere'))).toEqual([]);
    },
  );

  it('because it is a file, or nothing can be made there', async () => {
    writeFileSync(cache(), '');
    await expectFallback(/^downloads are not cached: /);
    place.remarks.length = 0;
    place.settings.directory = '/proc/none/rundle';
    await expectFallback(/^downloads are not cached: /);
  });

  it("because it would be made in another user's directory", async () => {
    mkdirSync(place.path('home'));
    chownSync(place.path('home'), 12345, 12345);
    place.settings.directory = place.path('home/.cache/rundle');
    await expectFallback(/^downloads are not cached: .*belongs to another user/);
    expect(filesBelow(place.path('home'))).toEqual([]);
  });

  it('because its file system is read-only', async () => {
    await place.use((opened) => put(opened, makeBlob(10)));
    const old = cache();
    mkdirSync(place.path('view'), { mode: 0o700 });
    execFileSync('mount', ['--bind', old, place.path('view')]);
    try {
      execFileSync('mount', ['-o', 'remount,bind,ro', place.path('view')]);
      place.settings.directory = place.path('view');
      await expectFallback(/^downloads are not cached: .*EROFS/);
    } finally {
      execFileSync('umount', ['-l', place.path('view')]);
    }
  });

  it('because its disk becomes full in the middle of a blob', async () => {
    mkdirSync(cache(), { mode: 0o700 });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'cache', cache()]);
    try {
      const [small, large, next] = [makeBlob(1000), makeBlob(5_000_000), makeBlob(10)];
      await place.use(async (opened) => {
        await put(opened, small);
        const partial = await beginPartial(opened, large.digest, large.bytes.length);
        for (let at = 0; at < large.bytes.length; at += 300_000) {
          await partial.write(large.bytes.subarray(at, at + 300_000));
        }
        expect(partial.size).toBe(large.bytes.length);
        const { path } = await partial.complete();
        expect(path.startsWith(place.path('fallback'))).toBe(true);
        expect(readFileSync(path).equals(large.bytes)).toBe(true);
        expect(await opened.find(large.digest, large.bytes.length)).toMatchObject({ path });
        await put(opened, next);
      });
      expect(place.remarks).toEqual([
        expect.stringMatching(/^downloads go to a temporary directory, because .*ENOSPC/),
      ]);
      expect(filesBelow(cache())).toEqual(['CACHEDIR.TAG', `blobs/sha256/${small.hex}`]);
    } finally {
      execFileSync('umount', ['-l', cache()]);
    }
  });

  it('and a temporary directory that is full, too, is an error', async () => {
    place.settings.directory = undefined;
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'fallback', place.path('fallback')]);
    try {
      await place.use(async (opened) => {
        const partial = await beginPartial(opened, makeBlob(1).digest);
        await expect(partial.write(Buffer.alloc(2_000_000))).rejects.toMatchObject({
          code: 'E_OUTPUT',
          message: expect.stringContaining('ENOSPC'),
          hint: expect.stringContaining('TMPDIR'),
        });
        await partial.discard();
      });
    } finally {
      execFileSync('umount', ['-l', place.path('fallback')]);
    }
  });
});

describe("another's cache", () => {
  /** A cache that user 12345 has filled with `blob`. */
  const foreign = async (blob: ReturnType<typeof makeBlob>) => {
    const directory = place.path('shared');
    await place.use((opened) => put(opened, blob), { directory });
    execFileSync('chmod', ['-R', 'a+rX', directory]);
    execFileSync('chown', ['-R', '12345:12345', directory]);
    return directory;
  };

  it('is read where it is, and nothing changes there', async () => {
    const blob = makeBlob(10);
    const shared = await foreign(blob);
    utimesSync(entry(blob.hex, shared), 1000, 1000);
    await place.use(
      async (opened) => {
        const found = await opened.find(blob.digest, 10);
        expect(found).toMatchObject({ path: entry(blob.hex, shared), mayChange: true });
        await put(opened, makeBlob(20));
      },
      { readOnly: [place.path('missing'), shared] },
    );
    expect(statSync(entry(blob.hex, shared)).mtimeMs).toBe(1_000_000);
    expect(filesBelow(shared)).toEqual(['CACHEDIR.TAG', `blobs/sha256/${blob.hex}`]);
    expect(place.remarks).toEqual([expect.stringMatching(/missing cannot be read: ENOENT/)]);
  });

  it('with a damaged entry is reported, and the entry not used again', async () => {
    const blob = makeBlob(10);
    const shared = await foreign(blob);
    writeFileSync(entry(blob.hex, shared), 'wrong byte');
    await place.use(
      async (opened) => {
        await opened.find(blob.digest, 10);
        await opened.reject(blob.digest);
        expect(await opened.find(blob.digest, 10)).toBeUndefined();
        expect(readFileSync(await put(opened, blob))).toEqual(blob.bytes);
      },
      { readOnly: [shared] },
    );
    expect(readFileSync(entry(blob.hex, shared), 'utf8')).toBe('wrong byte');
    expect(place.remarks).toEqual([`${entry(blob.hex, shared)} is damaged and not used`]);
  });

  it('is named by options, then by RUNDLE_CACHE_FROM', () => {
    const environment = { RUNDLE_CACHE_FROM: '/b:/c::/a' };
    expect(readOnlyCaches(['/a', 'x'], environment)).toEqual([
      '/a',
      join(process.cwd(), 'x'),
      '/b',
      '/c',
    ]);
    expect(readOnlyCaches([], {})).toEqual([]);
  });
});
