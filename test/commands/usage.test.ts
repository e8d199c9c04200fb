import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSize, parseWords } from '#rundle/commands/build-options.js';
import { printable } from '#rundle/commands/text.js';
import { image, makeWorkspace, rundle, smallTree, type Workspace } from './support/rundle.js';

let place: Workspace;
let source: string;
beforeAll(() => {
  place = makeWorkspace();
  source = image(place, 'image', smallTree);
});
afterAll(() => place.remove());

describe('a command line that cannot be meant', () => {
  it.each<[string[], string, string]>([
    [['bild'], "unknown command 'bild'", 'did you mean build?'],
    [
      ['build', '--entrypiont=x', 'dir:x'],
      "unknown option '--entrypiont=x'",
      'did you mean --entrypoint?',
    ],
    [['build'], "missing required argument 'SOURCE'", 'see rundle --help'],
    [
      ['build', 'dir:x', '-o'],
      "option '-o, --output <FILE.run>' argument missing",
      'see rundle --help',
    ],
    [
      ['inspect', 'a', 'b'],
      "too many arguments for 'inspect'. Expected 1 argument but got 2.",
      'see rundle --help',
    ],
    [['build', 'ubuntu'], 'reading the source "ubuntu": it has no transport', 'a source is one of'],
    [
      ['build', 'dir:.', '--block-size', '100K'],
      "choosing the payload's block size: 102400 bytes",
      'use a power of two',
    ],
    [
      ['build', 'dir:.', '--block-size', 'big'],
      '--block-size "big" is not a size',
      'write for example',
    ],
    [
      ['build', 'dir:.', '--level', '0'],
      "choosing the payload's compression level: 0",
      'use a whole number',
    ],
    [['build', 'dir:.', '--level', '1.5'], '--level "1.5" is not a whole number', ''],
    [
      ['build', 'dir:.', '--entrypoint', '["a"'],
      '"[\\"a\\"" is not a JSON array of strings',
      'write for example',
    ],
    [
      ['build', 'dir:.', '--env', 'NOT_SET_HERE'],
      '--env "NOT_SET_HERE": your environment has no such variable',
      'write --env',
    ],
    [
      ['build', 'dir:.', '--mount', '/a:b'],
      '--mount "/a:b" has the destination "b", which is not absolute',
      'write SRC:DST',
    ],
    [
      ['build', 'dir:.', '--copy', 'a'],
      '--copy "a" is not SRC:DST with an absolute DST',
      'for example',
    ],
    [
      ['build', 'dir:.', '--workdir', 'a'],
      '--workdir "a" is not an absolute path',
      'name the directory',
    ],
    [['build', 'dir:.', '--label', 'a'], '--label "a" is not KEY=VALUE', 'write --label'],
    [['build', 'dir:.', '--target', ''], '--target is empty', ''],
    [
      ['build', 'dir:.', '--platform', 'amd64'],
      'reading the platform "amd64"',
      'for example linux/amd64',
    ],
  ])('%j', async (args, message, hint) => {
    const { status, stdout, stderr } = await rundle(place, args);
    const [first = '', second = '', ...rest] = stderr.split('\n');
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(first.startsWith(`rundle: ${message}`), first).toBe(true);
    expect(second.startsWith(hint === '' ? '' : `  ${hint}`), second).toBe(true);
    expect(rest.join('')).toBe('');
  });

  it('without a command shows the help, and fails', async () => {
    const { status, stdout, stderr } = await rundle(place, []);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('Usage: rundle');
  });

  it('is told as JSON when JSON was asked for', async () => {
    const { status, stderr } = await rundle(place, ['build', 'ubuntu', '--json']);
    expect(status).toBe(2);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'E_USAGE',
        message: 'reading the source "ubuntu": it has no transport',
        hint: expect.stringContaining('a source is one of'),
      },
    });
  });

  it.each([
    ['SOURCE_DATE_EPOCH', 'yesterday'],
    ['SOURCE_DATE_EPOCH', '4294967296'],
    ['RUNDLE_WORKERS', '0'],
  ])('includes %s=%s', async (name, value) => {
    const { status, stderr } = await rundle(place, ['build', source], { env: { [name]: value } });
    expect(status).toBe(2);
    expect(stderr).toContain(`rundle: ${name} "${value}" is not a `);
  });
});

describe('a failure', () => {
  it('is told without a stack, which RUNDLE_DEBUG adds', async () => {
    const args = ['build', 'oci:missing', '-o', 'x.run'];
    const plain = await rundle(place, args);
    expect(plain.status).toBe(1);
    expect(plain.stderr).toMatch(/^rundle: [^\n]+\n( {2}[^\n]+\n)?$/);
    const debug = await rundle(place, args, { env: { RUNDLE_DEBUG: '1' } });
    expect(debug.stderr).toMatch(/\n\s+at /);
  });

  it('shows control characters in names as escapes', async () => {
    const { stderr } = await rundle(place, ['inspect', 'a\x1b[31m\nb\u009bc\u202e']);
    expect(stderr).toContain('a\\x1b[31m\\x0ab\\u009bc\\u202e');
    expect(stderr.split('\n')).toHaveLength(2);
  });

  it('of an argument that is not UTF-8 names that as the reason', async () => {
    const { status, stderr } = await rundle(place, [], {
      through: (node, cli) => [
        'sh',
        '-c',
        `exec "$0" "$1" inspect "$(printf 'a\\377b')"`,
        node,
        cli,
      ],
    });
    expect({ status, stderr }).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('rundle: an argument is not UTF-8'),
    });
  });

  it('of a platform that the image is not for lists what there is', async () => {
    const { status, stderr } = await rundle(place, ['build', source, '--platform', 'linux/s390x']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^rundle: .*linux\/s390x/);
  });

  it('of an image that no launcher can start says which there are', async () => {
    const foreign = image(place, 'foreign', smallTree, { architecture: 's390x' });
    const { status, stderr } = await rundle(place, ['build', foreign, '-o', 'foreign.run']);
    expect(status).toBe(1);
    expect(stderr).toContain('the image is for linux/s390x, which no launcher can start');
    expect(place.leftovers()).toEqual([]);
  });

  it('of a --rc script or a --copy that is not there names it', async () => {
    const rc = await rundle(place, ['build', source, '--rc', 'nope.sh']);
    expect(rc.stderr).toMatch(/^rundle: reading the script given to --rc, nope\.sh: ENOENT/);
    const copy = await rundle(place, ['build', source, '--copy', 'nope:/x', '-o', 'c.run']);
    expect(copy.stderr).toMatch(
      /\nrundle: copying nope into the image: ENOENT|^rundle: copying nope/m,
    );
    expect([rc.status, copy.status]).toEqual([1, 1]);
  });
});

describe('values', () => {
  it('of --entrypoint and --cmd are JSON arrays or one word', () => {
    expect(parseWords('/bin/a b')).toEqual(['/bin/a b']);
    expect(parseWords('["a", "", "c d"]')).toEqual(['a', '', 'c d']);
    expect(parseWords(' []')).toEqual([]);
    expect(parseWords('')).toEqual([]);
    for (const text of ['[', '[1]', '["\\u0000"]', '["\\ud800"]', '[] x']) {
      expect(() => parseWords(text), text).toThrowError(/not a JSON array/);
    }
  });

  it('of --block-size are bytes', () => {
    expect(['131072', '128K', '128k', '128KiB', '1M', '1mB'].map(parseSize)).toEqual([
      131_072, 131_072, 131_072, 131_072, 1_048_576, 1_048_576,
    ]);
    for (const text of ['', 'K', '1G', '-1', '1.5M', '0x10']) {
      expect(() => parseSize(text), text).toThrowError(/is not a size/);
    }
  });

  it('are printable in any case', () => {
    expect(printable('naïve 日本 \u0000\u001b\u007f\u0085\u2028')).toBe(
      'naïve 日本 \\x00\\x1b\\x7f\\u0085\\u2028',
    );
  });
});
