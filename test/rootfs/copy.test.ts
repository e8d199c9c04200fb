import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyIntoTree, parseCopy } from '#rundle/rootfs/copy.js';
import { type ByteString, fromText } from '#rundle/tree/byte-string.js';
import { readContent } from '#rundle/tree/content.js';
import { type Directory, emptyDirectory, type Node } from '#rundle/tree/node.js';
import { lookup } from '#rundle/tree/path.js';
import { directory, file, symlink } from '../squashfs/support/trees.js';

let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rundle-copy-'));
  const tree = join(scratch, 'tree');
  mkdirSync(join(tree, 'sub'), { recursive: true });
  writeFileSync(join(tree, 'run.sh'), '#!/bin/sh\n');
  chmodSync(join(tree, 'run.sh'), 0o4750);
  linkSync(join(tree, 'run.sh'), join(tree, 'sub/second name'));
  symlinkSync('../run.sh', join(tree, 'sub/link'));
  symlinkSync('tree', join(scratch, 'to-tree'));
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/sub/`), Buffer.from([0xff, 0xfe])]), 'bytes');
  utimesSync(join(tree, 'run.sh'), 1000, 1500);
  utimesSync(tree, 1000, 2500);
  chmodSync(tree, 0o711);
});
afterAll(() => rmSync(scratch, { recursive: true }));

const at = (root: Directory, path: string): Node | undefined => lookup(root, fromText(path));
const copy = (
  root: Directory,
  from: string,
  destination: string,
  latest = Number.POSITIVE_INFINITY,
) => copyIntoTree(root, { source: join(scratch, from), destination }, latest);

async function contentOf(node: Node | undefined): Promise<string> {
  if (node?.kind !== 'file') throw new Error('no file');
  return (await readContent(node, 0, node.size)).toString();
}

describe('parseCopy', () => {
  it.each([
    ['a:/b', { source: 'a', destination: '/b' }],
    ['a:b:/c/', { source: 'a:b', destination: '/c/' }],
    ['a:/b:/c', { source: 'a:/b', destination: '/c' }],
  ])('divides %s', (text, expected) => expect(parseCopy(text)).toEqual(expected));

  it.each(['a', ':/b', 'a:b', '/a', 'a:/../b', ''])('refuses %j', (text) => {
    expect(() => parseCopy(text)).toThrowError(expect.objectContaining({ code: 'E_USAGE' }));
  });
});

describe('copyIntoTree', () => {
  it('copies a file with its mode and time, owned by root', async () => {
    const root = emptyDirectory();
    await copy(root, 'tree/run.sh', '/opt/bin/start');
    const node = at(root, '/opt/bin/start');
    expect(node).toMatchObject({
      kind: 'file',
      mode: 0o4750,
      uid: 0,
      gid: 0,
      mtime: 1500,
      size: 10,
    });
    expect(await contentOf(node)).toBe('#!/bin/sh\n');
    expect(at(root, '/opt')).toMatchObject({ mode: 0o755, mtime: 0 });
  });

  it('caps times', async () => {
    const root = emptyDirectory();
    await copy(root, 'tree', '/t', 2000);
    expect(at(root, '/t')?.mtime).toBe(2000);
    expect(at(root, '/t/run.sh')?.mtime).toBe(1500);
  });

  it('makes a directory DST, with links, hard links and any name', async () => {
    const root = emptyDirectory();
    await copy(root, 'to-tree', '/opt/app');
    expect(at(root, '/opt/app')).toMatchObject({ kind: 'directory', mode: 0o711, mtime: 2500 });
    expect(at(root, '/opt/app/sub/second name')).toBe(at(root, '/opt/app/run.sh'));
    const sub = at(root, '/opt/app/sub') as Directory;
    expect(sub.children.get(fromText('link'))).toMatchObject({
      kind: 'symlink',
      target: '../run.sh',
    });
    expect(await contentOf(sub.children.get('\xff\xfe' as ByteString))).toBe('bytes');
  });

  it('copies into DST with a trailing slash, and a file into a directory that is there', async () => {
    const root = directory({ bin: symlink('usr/bin'), usr: directory({ bin: directory({}) }) });
    await copy(root, 'tree', '/opt/');
    expect(at(root, '/opt/tree/run.sh')?.kind).toBe('file');
    await copy(root, 'tree/run.sh', '/bin/');
    await copy(root, 'tree/sub/second name', '/bin');
    expect([...(at(root, '/usr/bin') as Directory).children.keys()]).toEqual([
      'run.sh',
      'second name',
    ]);
    await copy(root, 'tree/', '/a/');
    expect(at(root, '/a/tree/sub')?.kind).toBe('directory');
  });

  it('merges directories, the copied one wins below the top', async () => {
    const root = directory({
      app: directory(
        { 'run.sh': file('old'), kept: file('k'), sub: file('in the way') },
        { mode: 0o700 },
      ),
    });
    await copy(root, 'tree', '/app');
    expect(at(root, '/app')).toMatchObject({ mode: 0o700 });
    expect(at(root, '/app/kept')).toMatchObject({ size: 1 });
    expect(at(root, '/app/run.sh')).toMatchObject({ size: 10 });
    expect(at(root, '/app/sub')?.kind).toBe('directory');
  });

  it('replaces a link at DST, not what it leads to', async () => {
    const target = file('mine');
    const root = directory({ etc: directory({ conf: symlink('/real') }), real: target });
    await copy(root, 'tree/run.sh', '/etc/conf');
    expect(at(root, '/real')).toBe(target);
    expect(at(root, '/etc/conf')).toMatchObject({ kind: 'file', size: 10 });
  });

  it('stays in the tree, whatever its links say', async () => {
    const root = directory({ out: symlink('../../../../tmp') });
    await copy(root, 'tree/run.sh', '/out/x');
    expect(at(root, '/tmp/x')?.kind).toBe('file');
  });

  it('refuses what cannot be meant', async () => {
    const root = directory({ file: file('x'), dir: directory({}), loop: symlink('loop') });
    await expect(copy(root, 'missing', '/x')).rejects.toMatchObject({
      code: 'E_SOURCE',
      message: expect.stringMatching(
        /^copying .*missing into the image: ENOENT: no such file or directory$/,
      ),
    });
    await expect(copy(root, 'tree/run.sh', '/file/x')).rejects.toMatchObject({ code: 'E_FORMAT' });
    await expect(copy(root, 'tree/run.sh', '/loop/x')).rejects.toMatchObject({ code: 'E_FORMAT' });
    await expect(copyIntoTree(root, { source: '/', destination: '/x/' }, 0)).rejects.toMatchObject({
      code: 'E_USAGE',
      message: 'copying /: it has no name of its own to use in /x/',
    });
    execFileSync('python3', [
      '-c',
      'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])',
      join(scratch, 'socket'),
    ]);
    await expect(copy(root, 'socket', '/x')).rejects.toMatchObject({
      message: expect.stringContaining('it is a device or a socket'),
    });
  });
});
