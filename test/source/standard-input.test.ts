import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { spoolArchive } from '#rundle/source/archive-stream.js';
import { loadStreamedImage } from '#rundle/source/streamed-image.js';
import {
  cli,
  image,
  makeWorkspace,
  smallTree,
  type Workspace,
} from '../commands/support/rundle.js';
import { compress } from '../fixtures/image-builder.js';
import { type EntryFields, tarArchive, tarEntry, tarHeader } from '../layer/tar-builder.js';
import { faultOf, run } from './support/scratch.js';
import { listTree } from './support/tree-listing.js';

let place: Workspace;
const files: Record<'docker-archive' | 'oci-archive', Buffer> = {
  'docker-archive': Buffer.alloc(0),
  'oci-archive': Buffer.alloc(0),
};

beforeAll(() => {
  place = makeWorkspace();
  // Incompressible, so that a cut falls into the contents of a member.
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * i * 31) >> 7));
  const source = image(place, 'layout', [...smallTree, { name: 'noise', content: noise }]);
  for (const format of ['docker-archive', 'oci-archive'] as const) {
    run('skopeo', 'copy', '-q', source, `${format}:${place.path(format)}:one:latest`);
    files[format] = readFileSync(place.path(format));
  }
});
afterAll(() => place.remove());

function rundle(input: Buffer, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], {
    input,
    cwd: place.directory,
    env: { PATH: process.env.PATH, HOME: place.directory, TMPDIR: place.path('tmp') },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

/** What is said on standard error when a build from `input` fails; it must have left nothing. */
function refusal(input: Buffer): string {
  const { status, stderr } = rundle(input, 'build', '-', '-q', '-o', 'none.run');
  expect(status, stderr).toBe(1);
  expect(existsSync(place.path('none.run'))).toBe(false);
  expect(place.leftovers()).toEqual([]);
  return stderr;
}

describe.each(['docker-archive', 'oci-archive'] as const)('%s from standard input', (format) => {
  test.each(['none', 'gzip', 'zstd'] as const)('gives what the file gives: %s', (compression) => {
    const name = `${format}-${compression}.run`;
    mkdirSync(place.path(`file-${compression}`), { recursive: true });
    const expected = place.path(`file-${compression}`, name);
    const input = compress(files[format], compression);
    expect(rundle(input, 'build', '-', '-q', '-o', name)).toEqual({
      status: 0,
      stdout: '',
      stderr: '',
    });
    const { status } = rundle(
      Buffer.alloc(0),
      'build',
      `${format}:${format}`,
      '-q',
      '-o',
      expected,
    );
    expect(status).toBe(0);
    expect(readFileSync(place.path(name)).equals(readFileSync(expected))).toBe(true);
    expect(place.leftovers()).toEqual([]);
  });

  test.each(['none', 'gzip', 'zstd'] as const)('cut off: %s', (compression) => {
    const input = compress(files[format], compression);
    const said = refusal(input.subarray(0, input.length >> 1));
    expect(said).toMatch(
      /^rundle: reading standard input: the (archive ends inside an entry|gzip data is cut off|zstd data is cut off)\n {2}what sends it was probably interrupted; send it again\n$/,
    );
  });
});

describe('standard input', () => {
  test('can be unpacked', () => {
    expect(rundle(files['docker-archive'], 'unpack', '-', 'tree', '-q').status).toBe(0);
    expect(readdirSync(place.path('tree')).sort()).toEqual(['bin', 'noise', 'text']);
  });

  test('holds one image, or there would be a choice', () => {
    const images = ['one', 'two'].map((name) => ({ Config: name, RepoTags: [name], Layers: [] }));
    const several = tarArchive([{ name: 'manifest.json', content: JSON.stringify(images) }]);
    expect(refusal(several)).toBe(
      'rundle: reading standard input: it has several images; there is one, two\n' +
        '  send one image alone: docker save IMAGE | rundle build - -o IMAGE.run\n',
    );
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s while it waits for more leaves nothing behind', async (signal, status) => {
    const child = spawn(process.execPath, [cli, 'build', '-', '-q', '-o', 'none.run'], {
      cwd: place.directory,
      env: { PATH: process.env.PATH, HOME: place.directory, TMPDIR: place.path('tmp') },
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    child.stdin.write(files['docker-archive'].subarray(0, 100_000));
    const spooled = () =>
      place.leftovers().some((name) => existsSync(place.path('tmp', name, 'stream.tar')));
    while (!spooled()) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill(signal);
    expect((await once(child, 'exit'))[0]).toBe(status);
    expect(place.leftovers()).toEqual([]);
    expect(existsSync(place.path('none.run'))).toBe(false);
  });

  test('needs a name for the bundle', () => {
    const ended = rundle(files['docker-archive'], 'build', '-');
    expect(ended.status).toBe(2);
    expect(ended.stderr).toBe(
      'rundle: a bundle made from standard input has no name of its own\n  name it with -o FILE.run\n',
    );
  });

  test.each<[string, () => Buffer, RegExp]>([
    ['nothing', () => Buffer.alloc(0), /it is empty\n {2}what should have sent an image/],
    ['text', () => Buffer.from('hello\n'), /it is no tar archive/],
    ['noise', () => files['docker-archive'].subarray(300, 9000), /it is no tar archive/],
    ['zeros', () => Buffer.alloc(100_000), /it is no tar archive/],
    ['compressed text', () => compress(Buffer.from('hello\n'), 'gzip'), /it is no tar archive/],
    ['bzip2', () => Buffer.from('BZh91AY&SY'), /it is compressed with bzip2/],
    ['a tree', () => tarArchive([{ name: 'x', content: 'x' }]), /neither manifest.json nor oci-/],
    [
      'an archive cut between two members',
      () => tarEntry({ name: 'x', content: 'x' }),
      /the archive is cut off\n {2}what sends it/,
    ],
    [
      'a member without its layer',
      () =>
        tarArchive([{ name: 'manifest.json', content: '[{"Config":"c.json","Layers":["l"]}]' }]),
      /there is no c.json in standard input/,
    ],
  ])('refuses %s in one line', (_, input, words) => {
    const said = refusal(input());
    expect(said).toMatch(words);
    expect(said).toMatch(/^rundle: reading standard input: [^\n]+\n( {2}[^\n]+\n)?$/);
  });
});

describe('an archive that comes as a stream', () => {
  let spools = 0;
  const context = () => {
    spools += 1;
    const spoolDirectory = place.path(`spool-${spools}`);
    mkdirSync(spoolDirectory);
    return { spoolDirectory };
  };
  const pieces = (bytes: Buffer, size: number) => {
    let at = 0;
    return async () => {
      const piece = bytes.subarray(at, at + size);
      at += size;
      return piece.length === 0 ? undefined : piece;
    };
  };
  /** `first`, then `again` for ever. */
  const endless = (first: Buffer, again: Buffer) => {
    let started = false;
    return async () => {
      const piece = started ? again : first;
      started = true;
      return piece;
    };
  };
  const refused = (read: () => Promise<Buffer | undefined>) =>
    faultOf(spoolArchive(read, 'a stream', context()));

  test('may come in pieces of any size', async () => {
    const listings = [];
    for (const size of [1, 511, 513, 100_000, 10_000_000]) {
      const own = context();
      const read = pieces(compress(files['docker-archive'], 'gzip'), size);
      const stream = await spoolArchive(read, 'a stream', own);
      expect(stream.complete).toBe(true);
      const { root } = await loadStreamedImage(stream, 'a stream', own);
      listings.push(await listTree(root));
    }
    for (const listing of listings) expect(listing).toEqual(listings[0]);
  });

  test('has an end, whatever is sent', async () => {
    const many = Buffer.concat(
      Array.from({ length: 1000 }, () => tarHeader({ name: 'x', type: '5' } as EntryFields)),
    );
    expect(await refused(endless(many, many))).toMatch(/E_FORMAT .*more than 65536 members/);
    const whole = tarArchive([{ name: 'x' }]);
    const rest = Buffer.alloc(1024 * 1024);
    expect(await refused(endless(whole, rest))).toMatch(/E_FORMAT .*follow the end of the archive/);
  });

  test('is refused when the disk cannot hold it, before it is full', async () => {
    const header = tarHeader({ name: 'layer.tar', size: 2 ** 50 } as EntryFields);
    const said = await refused(endless(header, Buffer.alloc(1024 * 1024)));
    expect(said).toMatch(/E_OUTPUT .*layer\.tar in it has 1125899906842624 bytes/);
    expect(readdirSync(place.path(`spool-${spools}`)).length).toBe(1);
  });

  test('says what the reader of the stream says', async () => {
    const broken = async () => {
      throw new Error('the line went dead');
    };
    expect(await refused(broken)).toContain('the line went dead');
  });
});
