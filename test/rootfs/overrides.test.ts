import { describe, expect, it } from 'vitest';
import { emptyImageConfig, type ImageConfig } from '#rundle/oci/config.js';
import { parseMount } from '#rundle/rootfs/mount-specification.js';
import { applyOverrides, type Overrides } from '#rundle/rootfs/overrides.js';
import { fromText } from '#rundle/tree/byte-string.js';
import { readContent } from '#rundle/tree/content.js';
import { type Directory, emptyDirectory } from '#rundle/tree/node.js';
import { lookup } from '#rundle/tree/path.js';
import { directory, file, symlink } from '../squashfs/support/trees.js';

const empty = emptyImageConfig({ os: 'linux', architecture: 'amd64' });
const none: Overrides = { copies: [], mounts: [], isFile: () => false };
const times = { time: 5, latest: 9 };

const apply = (
  root: Directory,
  config: Partial<ImageConfig> = {},
  overrides: Partial<Overrides> = {},
) => applyOverrides(root, { ...empty, ...config }, { ...none, ...overrides }, times);

async function read(root: Directory, path: string): Promise<string> {
  const node = lookup(root, fromText(path));
  if (node?.kind !== 'file') throw new Error(`${path} is no file`);
  return (await readContent(node, 0, node.size)).toString();
}

describe('applyOverrides', () => {
  it('writes the three files of Enroot', async () => {
    const root = emptyDirectory();
    const result = await apply(root, { cmd: ['/app'], env: ['A=1'], volumes: ['/v'] });
    expect(await read(root, 'etc/rc')).toContain("exec '/app'\n");
    expect(await read(root, 'etc/environment')).toBe('A=1\n');
    expect(await read(root, 'etc/fstab')).toContain(' /v none x-create=dir');
    expect(lookup(root, fromText('etc/rc'))).toMatchObject({
      mode: 0o755,
      uid: 0,
      gid: 0,
      mtime: 5,
    });
    expect(lookup(root, fromText('v'))?.kind).toBe('directory');
    expect(result).toMatchObject({ startsThroughRc: false, omissions: [] });
  });

  it('makes the working directory', async () => {
    const root = directory({ opt: symlink('srv') });
    await apply(root, {}, { workingDir: '/opt/a/b' });
    expect(lookup(root, fromText('srv/a/b'))).toMatchObject({ kind: 'directory', mode: 0o755 });
  });

  it('keeps an rc and an environment that a silent image brings', async () => {
    const root = directory({
      etc: directory({ rc: file('mine'), environment: file('A=1\n'), fstab: file('x') }),
    });
    await apply(root);
    expect(await read(root, 'etc/rc')).toBe('mine');
    expect(await read(root, 'etc/environment')).toBe('A=1\n');
    expect(await read(root, 'etc/fstab')).toBe('');
    await apply(root, { cmd: ['x'], env: ['B=2'] });
    expect(await read(root, 'etc/rc')).toContain("exec 'x'");
    expect(await read(root, 'etc/environment')).toBe('B=2\n');
  });

  it('starts through a given rc, which stands as it is', async () => {
    const root = directory({
      etc: directory({ rc: symlink('/bin/rc') }),
      bin: directory({ rc: file('shared') }),
    });
    const rc = Buffer.from('#!/bin/bash\n\xff', 'latin1');
    expect(await apply(root, { entrypoint: ['/e'] }, { rc })).toMatchObject({
      startsThroughRc: true,
    });
    const node = root.children.get(fromText('etc')) as Directory;
    expect(node.children.get(fromText('rc'))).toMatchObject({
      kind: 'file',
      mode: 0o755,
      size: 13,
    });
    expect(await read(root, 'bin/rc')).toBe('shared');
  });

  it('bakes in mounts: a line of fstab and a place', async () => {
    const root = emptyDirectory();
    const texts = ['/data', '/host/file:/conf/file:ro', 'tmpfs:/scratch', '${HOME}:${HOME}'];
    await apply(
      root,
      {},
      { mounts: texts.map(parseMount), isFile: (path) => path === '/host/file' },
    );
    expect(lookup(root, fromText('data'))?.kind).toBe('directory');
    expect(lookup(root, fromText('conf/file'))?.kind).toBe('file');
    expect(lookup(root, fromText('scratch'))?.kind).toBe('directory');
    expect(lookup(root, fromText('${HOME}'))).toBeUndefined();
    expect((await read(root, 'etc/fstab')).split('\n')).toHaveLength(5);
  });

  it('goes on without the files that only Enroot reads where an image has no place for them', async () => {
    const root = directory({ etc: directory({ fstab: directory({}) }) });
    expect((await apply(root)).omissions).toEqual([
      {
        path: 'etc/fstab',
        what: "Enroot's file: writing /etc/fstab into the image: a directory is there",
      },
    ]);
    const odd = directory({ etc: file('x') });
    const paths = (await apply(odd, { cmd: ['x'], env: ['A=1'] })).omissions.map(
      ({ path }) => path,
    );
    expect(paths.slice(0, 3)).toEqual(['etc/rc', 'etc/environment', 'etc/fstab']);
    await expect(apply(odd, {}, { rc: Buffer.from('x') })).rejects.toMatchObject({
      code: 'E_FORMAT',
    });
  });
});
