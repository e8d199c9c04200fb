import { describe, expect, it } from 'vitest';
import { addMountPoints } from '#rundle/rootfs/mount-points.js';
import { fromText } from '#rundle/tree/byte-string.js';
import { type Directory, emptyDirectory } from '#rundle/tree/node.js';
import { lookup } from '#rundle/tree/path.js';
import { listTree } from '../source/support/tree-listing.js';
import { directory, file, symlink } from '../squashfs/support/trees.js';

const at = (root: Directory, path: string) => lookup(root, fromText(path));

describe('addMountPoints', () => {
  it('gives an empty image all that a start needs', () => {
    const root = emptyDirectory();
    expect(addMountPoints(root, [], 7)).toEqual([]);
    const modes = Object.fromEntries(
      ['proc', 'sys', 'dev', 'tmp', 'run', 'var', 'var/tmp', 'root', 'home', 'etc'].map((path) => [
        path,
        at(root, path)?.mode.toString(8),
      ]),
    );
    expect(modes).toEqual({
      proc: '555',
      sys: '555',
      dev: '755',
      tmp: '1777',
      run: '755',
      var: '755',
      'var/tmp': '1777',
      root: '700',
      home: '755',
      etc: '755',
    });
    for (const name of [
      'hosts',
      'hostname',
      'resolv.conf',
      'machine-id',
      'passwd',
      'group',
      'localtime',
    ]) {
      expect(at(root, `etc/${name}`)).toMatchObject({
        kind: 'file',
        size: 0,
        mode: 0o644,
        mtime: 7,
      });
    }
  });

  it('leaves what the image has as it is', () => {
    const root = directory({
      tmp: directory({}, { mode: 0o700, mtime: 5 }),
      run: symlink('var/run'),
      var: directory({ run: directory({}), tmp: symlink('../tmp') }),
      proc: file('odd'),
      etc: directory(
        { passwd: file('root:x:0:0::/:'), hosts: symlink('/run/hosts') },
        { mtime: 9 },
      ),
    });
    addMountPoints(root, [], 0);
    expect(at(root, 'tmp')).toMatchObject({ mode: 0o700, mtime: 5 });
    expect(at(root, 'etc')).toMatchObject({ mtime: 9 });
    expect(at(root, 'etc/passwd')).toMatchObject({ size: 14 });
    expect(at(root, 'proc')).toMatchObject({ kind: 'file' });
    expect(root.children.get(fromText('run'))?.kind).toBe('symlink');
    expect(at(root, 'var/tmp')).toBe(at(root, 'tmp'));
  });

  it('is done when it is done', async () => {
    const root = emptyDirectory();
    addMountPoints(root, [], 0);
    const once = await listTree(root);
    addMountPoints(root, [], 1);
    expect(await listTree(root)).toEqual(once);
  });

  it('makes the directories that a dangling link needs, unless they are empty at every start', () => {
    const root = directory({
      run: directory({}),
      etc: directory({
        'resolv.conf': symlink('../run/systemd/resolve/stub-resolv.conf'),
        localtime: symlink('/usr/share/zoneinfo/UTC'),
        hostname: symlink('../../../../state/hostname'),
      }),
    });
    expect(addMountPoints(root, [], 0)).toEqual([]);
    expect(at(root, 'run')).toMatchObject({ children: new Map() });
    expect(at(root, 'usr/share/zoneinfo')?.kind).toBe('directory');
    expect(at(root, 'state')?.kind).toBe('directory');
    expect(at(root, 'etc/localtime')).toBeUndefined();
  });

  it('makes the places of baked-in mounts, files and directories', () => {
    const root = directory({ opt: directory({ there: file('x') }), lib: symlink('usr/lib') });
    const omissions = addMountPoints(
      root,
      [
        { path: '/data/sets', kind: 'directory' },
        { path: '/lib/driver.so', kind: 'file' },
        { path: '/opt/there', kind: 'directory' },
        { path: '/opt/there/below', kind: 'directory' },
        { path: '/tmp/later/on', kind: 'directory' },
      ],
      0,
    );
    expect(at(root, 'data/sets')?.kind).toBe('directory');
    expect(at(root, 'usr/lib/driver.so')?.kind).toBe('file');
    expect(at(root, 'opt/there')).toMatchObject({ kind: 'file', size: 1 });
    expect(at(root, 'tmp')).toMatchObject({ children: new Map() });
    expect(omissions).toEqual([
      { path: 'opt/there/below', what: 'mount point that the image has no room for' },
    ]);
  });

  it('survives images in which everything is odd', () => {
    const root = directory({ etc: symlink('etc'), var: file('x'), dev: symlink('/dev/') });
    const paths = addMountPoints(root, [], 0).map(({ path }) => path);
    expect(paths).toContain('etc/hosts');
    expect(paths).toContain('var/tmp');
    expect(paths).toContain('dev');
  });
});
