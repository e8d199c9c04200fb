import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSampleTree } from './sample-tree.js';
import { asUser, describeTree, type Entry, make, makeScratch, must, run, stub } from './support.js';

const tool = join(stub, 'build/asan/payload_tool');
const scratch = makeScratch();
const tree = join(scratch.path, 'tree');

/** Ways to write the same tree. */
const variants: Record<string, readonly string[]> = {
  'the defaults': [],
  'blocks of 4 KiB': ['-b', '4K'],
  'blocks of 1 MiB': ['-b', '1M'],
  'no fragments': ['-no-fragments'],
  'every tail in a fragment': ['-always-use-fragments', '-b', '64K'],
  'nothing compressed': ['-noI', '-noId', '-noD', '-noF', '-noX'],
  'tables not compressed': ['-noI', '-noId', '-noX', '-b', '32K'],
  'data not compressed': ['-noD', '-noF'],
  'no holes': ['-no-sparse'],
  'no duplicate search, no padding, no export table': ['-no-duplicates', '-nopad', '-no-exports'],
  'no extended attributes': ['-no-xattrs'],
};

function pack(name: string, options: readonly string[]): string {
  const image = join(scratch.path, `${name.replaceAll(/\W/g, '-')}.sqfs`);
  must([
    'mksquashfs',
    tree,
    image,
    '-comp',
    'zstd',
    '-Xcompression-level',
    '3',
    '-quiet',
    '-no-progress',
    ...options,
  ]);
  return image;
}

let directories = 0;
function emptyDirectory(uid = 0): string {
  const path = join(scratch.path, `out-${directories++}`);
  mkdirSync(path);
  chownSync(path, uid, uid);
  return path;
}

const entriesOf = (path: string) => Object.fromEntries(describeTree(path));

beforeAll(() => {
  make('build/asan/payload_tool');
  makeSampleTree(tree);
});

afterAll(scratch.remove);

describe.each(Object.entries(variants))('an image with %s', (name, options) => {
  const theirs = join(scratch.path, `unsquashfs-${name.replaceAll(/\W/g, '-')}`);
  let image: string;
  beforeAll(() => {
    image = pack(name, options);
    must(['unsquashfs', '-quiet', '-no-progress', '-dest', theirs, image]);
  });

  test('extracted as root: what unsquashfs makes of it, entry by entry', () => {
    const ours = emptyDirectory();
    expect(must([tool, 'extract', image, ours, '3', 'owners'])).toBe('');
    const expected = entriesOf(theirs);
    expect(Object.keys(expected).length).toBeGreaterThan(3000);
    expect(entriesOf(ours)).toEqual(expected);
    // Holes: what the tree takes on disk, give or take a block a file.
    if (options.includes('-no-sparse')) return;
    for (const file of ['holes/all', 'holes/end', 'holes/middle'])
      expect(lstatSync(join(ours, file)).blocks * 512).toBeLessThan(2.2 * (1 << 20));
  });

  test('extracted by an ordinary user: all but what only root can do, which is reported', () => {
    const ours = emptyDirectory(12345);
    const lines = must([...asUser, tool, 'extract', image, ours, '2']).split('\n');
    const expected = forOrdinaryUser(describeTree(theirs));
    expect(entriesOf(ours)).toEqual(expected);
    const reported = lines.map((line) => line.split('\t')[0]);
    for (const device of ['special/character', 'special/block', 'special/same-block'])
      expect(reported).toContain(device);
    if (options.includes('-no-xattrs')) return;
    expect(lines).toContain('xattrs/two\textended attribute trusted.secret: only root can set it');
    expect(lines).toContain(
      'xattrs/symlink\textended attribute trusted.of-symlink: only root can set it',
    );
    expect(lines).toContain(
      'xattrs/one\textended attribute security.capability: only root can set it',
    );
  });

  test('is sound, and a file is read the same in pieces of any size', () => {
    expect(must([tool, 'check', image, 'contents'])).toBe('ok\n');
    for (const file of [
      'sizes/large',
      'sizes/131073',
      'holes/middle',
      'sizes/small-29',
      'sizes/0',
    ]) {
      const bytes = readFileSync(join(tree, file)).toString('latin1');
      for (const piece of [4096, 100_000, 1 << 20])
        expect(
          must([tool, 'cat', image, file, String(piece)]) === bytes,
          `${file} by ${piece}`,
        ).toBe(true);
    }
  });

  test('directories can be resumed behind every entry, and every name is found', () => {
    const names = must([tool, 'resume', image, '/many']).trimEnd().split('\n');
    expect(names).toEqual(
      [...Array(3000).keys()].map((i) => `an entry with a rather long name ${i}`).sort(),
    );
    for (const name of [names[0], names[1], names[1500], names[2999]])
      expect(must([tool, 'find', image, `/many/${name}`])).toMatch(/^\d+ 100644\n$/);
    expect(run([tool, 'find', image, '/many/an entry']).stderr).toContain('No such file');
    expect(run([tool, 'find', image, '/sizes/1/x']).stderr).toContain('Not a directory');
  });
});

function forOrdinaryUser(entries: Map<string, Entry>): Record<string, Entry> {
  const left: Record<string, Entry> = {};
  for (const [name, entry] of entries) {
    if (entry.device !== undefined) continue;
    const { xattrs, ...rest } = entry;
    const kept = (xattrs ?? '').split(' ').filter((line) => line.startsWith('user.'));
    left[name] = { ...rest, owner: '12345:12345' };
    if (kept.length > 0) left[name].xattrs = kept.join(' ');
  }
  return left;
}

describe('images by other writers', () => {
  test('tar2sqfs', () => {
    const image = join(scratch.path, 'tar2sqfs.sqfs');
    const tar = join(scratch.path, 'tree.tar');
    must(['tar', '--xattrs', '--xattrs-include=*', '-C', tree, '-cf', tar, '.']);
    must(['sh', '-c', 'tar2sqfs -q -c zstd "$1" <"$2"', 'sh', image, tar]);
    const ours = emptyDirectory();
    const theirs = join(emptyDirectory(), 'root');
    must([tool, 'extract', image, ours, '2', 'owners']);
    must(['unsquashfs', '-quiet', '-no-progress', '-dest', theirs, image]);
    expect(entriesOf(ours)).toEqual(entriesOf(theirs));
  });

  test('a tree deeper than any path can name, with few descriptors', () => {
    const list = join(scratch.path, 'deep.txt');
    const image = join(scratch.path, 'deep.sqfs');
    const levels = 1500;
    const lines = [...Array(levels).keys()].map((i) => `dir ${'/level'.repeat(i + 1)} 0555 0 0`);
    lines.push(`file ${'/level'.repeat(levels)}/bottom 0644 0 0 ${list}`);
    writeFileSync(list, `${lines.join('\n')}\n`);
    must(['gensquashfs', '-q', '-c', 'zstd', '-F', list, image]);
    const out = emptyDirectory(12345);
    const script = 'ulimit -n 24; exec "$0" extract "$1" "$2" 8';
    must([...asUser, 'sh', '-c', script, tool, image, out]);
    const depth = must(['sh', '-c', 'find "$0" -type d | wc -l', out]);
    expect(Number(depth)).toBe(levels + 1);
    expect(must(['sh', '-c', 'find "$0" -name bottom -size +1k | wc -l', out])).toBe('1\n');
  });

  test('another compressor is refused by name of the method', () => {
    const image = join(scratch.path, 'gzip.sqfs');
    must(['mksquashfs', join(tree, 'names'), image, '-comp', 'gzip', '-quiet', '-no-progress']);
    const { status, stderr } = run([tool, 'list', image]);
    expect(status).toBe(1);
    expect(stderr).toContain('method 1; only 6, zstd');
  });
});

describe('where extraction cannot go on', () => {
  let image: string;
  beforeAll(() => {
    image = pack('for errors', []);
  });

  test('a full disk is reported with the path', () => {
    const script = 'mount -t tmpfs -o size=2m none "$2"; "$0" extract "$1" "$2"';
    const { status, stderr } = run([
      'unshare',
      '-m',
      'sh',
      '-c',
      script,
      tool,
      image,
      emptyDirectory(),
    ]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^extracting: (writing|creating) \/.+: No space left on device\n$/);
  });

  test.each(['sizes', 'a-first-name'])(
    'a symbolic link in the way of %s is not followed',
    (name) => {
      const out = emptyDirectory();
      const elsewhere = mkdtempSync(join(scratch.path, 'elsewhere-'));
      symlinkSync(name === 'sizes' ? elsewhere : join(elsewhere, 'file'), join(out, name));
      const { status, stderr } = run([tool, 'extract', image, out]);
      expect(status).toBe(1);
      expect(stderr).toContain(`/${name}: File exists`);
      expect(must(['ls', '-A', elsewhere])).toBe('');
    },
  );

  test('a directory that may not be written to', () => {
    const out = emptyDirectory(0);
    chmodSync(out, 0o755);
    const { status, stderr } = run([...asUser, tool, 'extract', image, out]);
    expect(status).toBe(1);
    expect(stderr).toContain('Permission denied');
  });

  test('it can be stopped, and says how far it is', () => {
    const { status, stderr } = run([tool, 'stop', image, emptyDirectory()]);
    expect([status, stderr]).toEqual([
      1,
      'extracting the payload was stopped: Operation canceled\n',
    ]);
    const reports = must([tool, 'progress', image, emptyDirectory()]).trimEnd().split('\n');
    const steps = reports
      .filter((line) => / of /.test(line))
      .map((line) => line.split(' of ').map(Number));
    const [total] = steps[0]?.slice(1) ?? [];
    expect(steps.at(-1)).toEqual([total, total]);
    expect(
      steps.every(([done = -1, all]) => done >= 0 && done <= (total ?? 0) && all === total),
    ).toBe(true);
  });

  test('a root inside the payload', () => {
    const out = emptyDirectory();
    must([tool, 'extract', image, out, '2', 'owners', '/links/more']);
    expect(Object.keys(entriesOf(out))).toEqual(['', 'same-symlink', 'two']);
    expect(run([tool, 'extract', image, emptyDirectory(), '2', 'owners', '/nowhere']).status).toBe(
      1,
    );
    expect(
      run([tool, 'extract', image, emptyDirectory(), '2', 'owners', '/a-first-name']).status,
    ).toBe(1);
  });
});
