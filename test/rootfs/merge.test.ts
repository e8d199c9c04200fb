import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildOciLayout } from '../fixtures/image-builder.js';
import { type EntryFields, tarArchive } from '../layer/tar-builder.js';
import { faultOf, makeScratch, run, type Scratch } from '../source/support/scratch.js';
import { type Listing, listDirectory, listTree } from '../source/support/tree-listing.js';

let scratch: Scratch;
let count = 0;
beforeAll(() => {
  scratch = makeScratch();
});
afterAll(() => scratch.remove());

const file = (name: string, content = name): EntryFields => ({ name, content, mtime: 5 });
const dir = (name: string, fields: EntryFields = {}): EntryFields => ({
  name,
  type: '5',
  mode: 0o755,
  mtime: 6,
  ...fields,
});
const link = (name: string, linkName: string): EntryFields => ({ name, linkName, type: '1' });
const symlink = (name: string, linkName: string): EntryFields => ({
  name,
  linkName,
  type: '2',
  mode: 0o777,
  mtime: 7,
});

/** An image of these layers, each a list of entries. */
function layout(layers: EntryFields[][]): string {
  count += 1;
  const path = scratch.path(`image-${count}`);
  buildOciLayout(
    path,
    layers.map((entries) => ({ tar: tarArchive(entries) })),
  );
  return path;
}

async function merged(...layers: EntryFields[][]): Promise<Listing> {
  return await listTree((await scratch.load(`oci:${layout(layers)}`)).root);
}

async function mergeFault(...layers: EntryFields[][]): Promise<string> {
  return faultOf(scratch.load(`oci:${layout(layers)}`));
}

/** Layers that umoci unpacks; `./` is listed, since umoci gives a root that no layer lists the time of the unpacking. */
const JUDGED: Record<string, EntryFields[][]> = {
  'a whiteout hides a file and a whole directory': [
    [dir('./'), dir('d'), file('d/x'), file('d/y'), file('z')],
    [dir('d'), file('d/.wh.x', ''), file('.wh.z', ''), file('.wh.none', '')],
    [file('.wh.d', '')],
  ],
  'an opaque mark hides only lower layers, at the end of its directory': [
    [dir('./'), dir('d'), dir('d/low'), file('d/old'), file('d/both', 'old')],
    [dir('d'), file('d/new'), file('d/both', 'new'), dir('d/low'), file('d/.wh..wh..opq', '')],
  ],
  'an opaque mark at the start does the same': [
    [dir('./'), dir('d'), dir('d/low'), file('d/low/x'), file('d/old'), file('d/both', 'old')],
    [dir('d'), file('d/.wh..wh..opq', ''), file('d/new'), file('d/both', 'new'), dir('d/low')],
  ],
  'a whiteout after an entry of the same name leaves the entry': [
    [dir('./'), dir('d'), file('d/x', 'old'), file('f', 'old')],
    [dir('d'), file('d/x', 'new'), file('f', 'new'), file('.wh.f', ''), file('.wh.d', '')],
  ],
  'a whiteout before an entry of the same name': [
    [dir('./'), dir('d'), file('d/x', 'old')],
    [file('.wh.d', ''), dir('d', { mode: 0o700 }), file('d/y', 'new')],
  ],
  'files, directories and links replace each other': [
    [dir('./'), dir('a'), file('a/x'), file('b'), symlink('c', 'a'), dir('e'), file('e/x')],
    [
      file('a', 'file'),
      dir('b', { mode: 0o711 }),
      file('b/x'),
      dir('c'),
      file('c/y'),
      symlink('e', 'c'),
    ],
    [dir('a'), symlink('b', 'a'), file('c', 'file')],
  ],
  'a directory over a directory keeps children and takes all metadata': [
    [
      dir('./'),
      dir('d', {
        pax: [
          ['SCHILY.xattr.user.a', '1'],
          ['SCHILY.xattr.user.b', '2'],
        ],
      }),
      file('d/x'),
    ],
    [dir('d', { mode: 0o1700, uid: 3, gid: 4, mtime: 99, pax: [['SCHILY.xattr.user.a', 'new']] })],
    [dir('d', { mtime: 98 })],
  ],
  'parents through symbolic links stay in the tree': [
    [
      dir('./'),
      dir('real'),
      dir('real/sub', { mtime: 8 }),
      symlink('abs', '/real'),
      symlink('out', '../../../real'),
    ],
    [file('abs/x'), file('out/sub/y'), symlink('real/back', '..')],
    [file('real/back/top'), file('abs/.wh.x', '')],
  ],
  'a layer swaps a link for a directory and hides inside the new one': [
    [dir('./'), dir('usr'), dir('usr/lib'), file('usr/lib/foo'), symlink('lib', 'usr/lib')],
    [dir('lib'), file('lib/.wh.foo', ''), file('lib/bar')],
  ],
  'hard links within, to a lower layer, to links and devices': [
    [
      dir('./'),
      file('a'),
      link('b', 'a'),
      symlink('s', 'a'),
      { name: 'null', type: '3', major: 1, minor: 3 },
      { name: 'p', type: '6' },
    ],
    [
      link('c', './a'),
      link('t', 's'),
      link('null2', 'null'),
      link('p2', '/p'),
      dir('d'),
      link('d/e', 'b'),
    ],
  ],
  'a linked file that an upper layer replaces changes one name only': [
    [dir('./'), file('a', 'old'), link('b', 'a'), link('c', 'a')],
    [file('b', 'new'), file('.wh.c', '')],
  ],
  'links and whiteouts of the target in one layer': [
    [dir('./'), file('a', 'old')],
    [link('moved', 'a'), file('.wh.a', '')],
  ],
  'a later entry of the same archive wins': [
    [dir('./'), file('a', '1'), file('a', '2'), dir('a'), file('a/x'), file('a', '3')],
  ],
  'names with doubled slashes, dots and slashes at the end': [
    [dir('./'), dir('.//d//'), file('./d/./x'), dir('d/e/'), file('d/e/y')],
  ],
};

describe('as umoci unpacks', () => {
  test.each(Object.entries(JUDGED))('%s', async (_, layers) => {
    const path = layout(layers);
    const bundle = `${path}-judge`;
    run('umoci', 'unpack', '--image', `${path}:latest`, bundle);
    const source = await scratch.load(`oci:${path}`);
    expect(await listTree(source.root)).toEqual(listDirectory(`${bundle}/rootfs`));
  });
});

describe('beyond umoci', () => {
  test('parents that no layer lists are 0755, 0:0, mtime 0', async () => {
    const listing = await merged([file('x/y/z')]);
    const implied = { kind: 'directory', mode: 0o755, uid: 0, gid: 0, mtime: 0, xattrs: {} };
    expect(listing['']).toEqual(implied);
    expect(listing['x/y']).toEqual(implied);
  });

  test('hard links before their target, also in chains', async () => {
    const listing = await merged([
      link('b', 'c'),
      link('a', 'b'),
      dir('d'),
      link('d/e', 'c'),
      file('c', 'content'),
    ]);
    for (const name of ['a', 'b', 'c', 'd/e']) {
      expect(listing[name]).toMatchObject({ kind: 'file', size: 7, link: 'a' });
    }
  });

  test('a link before its target replaces what a lower layer has, a later entry replaces the link', async () => {
    const listing = await merged(
      [file('a', 'old'), file('b', 'old')],
      [link('a', 'c'), link('b', 'c'), file('b', 'later'), file('c', 'target')],
    );
    expect(listing.a).toMatchObject({ link: 'a', size: 6 });
    expect(listing.c?.link).toBe('a');
    expect(listing.b).toMatchObject({ link: 'b', size: 5 });
  });

  test('an opaque mark behind a directory of its layer leaves that directory its time', async () => {
    // umoci removes the lower file from the directory it has just written, which changes the time.
    const listing = await merged(
      [dir('d'), dir('d/low'), file('d/low/x')],
      [dir('d'), dir('d/low', { mtime: 9 }), file('d/.wh..wh..opq', '')],
    );
    expect(Object.keys(listing)).toEqual(['', 'd', 'd/low']);
    expect(listing['d/low']?.mtime).toBe(9);
  });

  test('names that AUFS keeps for itself are ignored', async () => {
    const listing = await merged(
      [file('a'), dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2')],
      [file('.wh..wh.aufs', '')],
    );
    expect(Object.keys(listing)).toEqual(['', 'a']);
  });

  test('a link to a missing directory makes the directory where the link points', async () => {
    const listing = await merged([symlink('lib', 'usr/lib'), file('lib/x')]);
    expect(listing['usr/lib/x']?.kind).toBe('file');
    expect(listing.lib?.kind).toBe('symlink');
  });

  test('".." in link targets is clamped at the root of the tree', async () => {
    const listing = await merged([symlink('out', '../../../real'), dir('real'), file('out/x')]);
    expect(listing['real/x']?.kind).toBe('file');
  });

  test('the device numbers and the largest owners survive', async () => {
    const device = {
      name: 'd',
      type: '4',
      major: 4095,
      minor: 1048575,
      uid: 4294967295,
      gid: 70000,
    };
    const listing = await merged([device]);
    expect(listing.d).toMatchObject({ device: [4095, 1048575], uid: 4294967295, gid: 70000 });
  });
});

describe('refused, naming layer and entry', () => {
  const HOSTILE: [string, EntryFields[][], RegExp][] = [
    ['..', [[file('a/../../x')]], /the layer .*entry a\/\.\.\/\.\.\/x: its name holds "\.\."/],
    ['.. in a whiteout', [[file('../.wh.x')]], /holds "\.\."/],
    ['whiteout of ..', [[file('d/.wh...')]], /a whiteout must name a file/],
    ['whiteout of nothing', [[file('d/.wh.')]], /a whiteout must name a file/],
    [
      'absolute',
      [[file('ok')], [file('/etc/passwd')]],
      /layer 2 of 2 .*entry \/etc\/passwd: its name is absolute/,
    ],
    [
      'link loop',
      [[symlink('a', 'b'), symlink('b', 'a'), file('a/x')]],
      /entry a\/x: .*255 symbolic links/,
    ],
    ['link to itself', [[symlink('a', 'a/a'), file('a/x')]], /255 symbolic links/],
    [
      'link outside',
      [[link('a', '../../etc/passwd')]],
      /hard link to ..\/..\/etc\/passwd, outside/,
    ],
    [
      'link without target',
      [[link('a', 'missing')]],
      /entry a: .*hard link to missing, which does not exist/,
    ],
    ['links in a circle', [[link('a', 'b'), link('b', 'a')]], /does not exist/],
    ['link to a directory', [[dir('d'), link('a', 'd')]], /hard link to the directory d/],
    ['link to the root', [[link('a', './')]], /hard link to the directory/],
    ['symlink to nothing', [[symlink('a', '')]], /without target/],
    ['root as a file', [[file('./')]], /root of the tree must be a directory/],
    ['root as a link', [[symlink('.', '/etc')]], /root of the tree must be a directory/],
    ['file in the way', [[file('a')], [file('a/b')]], /entry a\/b: its parent a is a file/],
    [
      'device in the way',
      [[{ name: 'a', type: '3' }], [file('a/b/c')]],
      /its parent a is a character-device/,
    ],
    ['type', [[{ name: 'a', type: 'V' }]], /entry type "V" has no meaning/],
    ['component', [[file('n'.repeat(256))]], /longer than 255 bytes/],
    ['name', [[file('n/'.repeat(2100))]], /longer than 4095 bytes/],
  ];
  test.each(HOSTILE)('%s', async (_, layers, message) => {
    const fault = await mergeFault(...layers);
    expect(fault).toMatch(/^E_LAYER /);
    expect(fault).toMatch(message);
  });

  test('a tree that links make deeper and deeper', async () => {
    const deep = 'd/'.repeat(2000);
    const layers = [[dir(deep), symlink('l', deep), dir(`l/${deep}`)]];
    expect(await mergeFault(...layers)).toMatch(/^E_LAYER .*deeper than 2048/);
  });

  test('umoci refuses a file in the way of a parent, too', () => {
    const path = layout([[file('a')], [file('a/b')]]);
    const unpack = () => run('umoci', 'unpack', '--image', `${path}:latest`, `${path}-judge`);
    expect(unpack).toThrow(/not a directory/);
  });
});

test('in tar: whiteout names are names', async () => {
  const path = scratch.path('plain.tar');
  writeFileSync(path, tarArchive([dir('./'), file('.wh.x'), file('x'), file('.wh..wh..opq')]));
  const listing = await listTree((await scratch.load(`tar:${path}`)).root);
  expect(Object.keys(listing)).toEqual(['', '.wh..wh..opq', '.wh.x', 'x']);
});
