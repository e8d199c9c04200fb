import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listDirectory } from '../source/support/tree-listing.js';
import { makeDiskTree, mksquashfs } from '../squashfs/reader/support/images.js';
import { makeWorkspace, rundle, type Workspace } from './support/rundle.js';

let workspace: Workspace;

beforeAll(() => {
  workspace = makeWorkspace();
  mkdirSync(workspace.path('tree'));
  makeDiskTree(workspace.path('tree'), 100);
  mksquashfs(workspace.path('tree'), workspace.path('image.sqsh'), '-comp', 'lzo');
});

afterAll(() => workspace.remove());

describe('an image in a file', () => {
  it('is unpacked as it is', async () => {
    const { status, stderr } = await rundle(workspace, ['unpack', 'image.sqsh', 'unpacked', '-q']);
    expect([status, stderr]).toEqual([0, '']);
    expect(listDirectory(workspace.path('unpacked'))).toEqual(
      listDirectory(workspace.path('tree')),
    );
  });

  it('gives its name to the bundle', async () => {
    const { status, stdout } = await rundle(workspace, ['build', 'image.sqsh']);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^image\.run: /)]);
    const again = await rundle(workspace, ['build', 'image.run']);
    expect(again.stderr).toMatch(/^rundle: writing image\.run: it exists already/);
  });

  it('replaces itself when that is forced', async () => {
    const [before, { status }] = [
      readFileSync(workspace.path('image.run')),
      await rundle(workspace, ['build', 'image.run', '--force', '-q']),
    ];
    expect(status).toBe(0);
    expect(readFileSync(workspace.path('image.run')).equals(before)).toBe(true);
  });

  it.each(['build', 'unpack'])('that is cut off leaves nothing: %s', async (command) => {
    writeFileSync(workspace.path('short.sqsh'), readFileSync(workspace.path('image.sqsh')));
    truncateSync(workspace.path('short.sqsh'), 200_000);
    const to = command === 'build' ? ['-o', 'short.run'] : ['short'];
    const { status, stdout, stderr } = await rundle(workspace, [command, 'short.sqsh', ...to]);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^rundle: reading sqsh:short\.sqsh: it is cut off: 200000 of \d+ bytes are there\n$/,
    );
    expect(existsSync(workspace.path('short.run'))).toBe(false);
    expect(existsSync(workspace.path('short'))).toBe(false);
    expect(workspace.leftovers()).toEqual([]);
  });

  it('whose contents are damaged leaves nothing', async () => {
    mkdirSync(workspace.path('text'));
    writeFileSync(workspace.path('text/file'), Buffer.alloc(500_000, 'some text\n'));
    mksquashfs(workspace.path('text'), workspace.path('damaged.sqsh'), '-comp', 'lzo');
    const bytes = readFileSync(workspace.path('damaged.sqsh'));
    bytes.fill(0xff, 100, 200);
    writeFileSync(workspace.path('damaged.sqsh'), bytes);
    const { status, stderr } = await rundle(workspace, ['build', 'damaged.sqsh', '-q']);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^rundle: reading the content of \/\S+: the block at byte \d+ of .*: the lzo data is damaged: .*\n$/,
    );
    expect(existsSync(workspace.path('damaged.run'))).toBe(false);
    expect(workspace.leftovers()).toEqual([]);
  });

  it('is made by another program than rundle', async () => {
    const makeself = '#!/bin/sh\n# This script was generated using Makeself\n';
    writeFileSync(workspace.path('other.run'), makeself.padEnd(5000, 'x'));
    const { status, stderr } = await rundle(workspace, ['build', 'other.run', '-o', 'x.run']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^rundle: reading .*other\.run: .*not a bundle/);
  });

  it('is compressed anew when a level is named', async () => {
    const size = (name: string) => readFileSync(workspace.path(name)).length;
    execFileSync('mksquashfs', [
      ...[workspace.path('tree'), workspace.path('zstd.sqsh'), '-comp', 'zstd', '-b', '1M'],
      ...['-Xcompression-level', '1', '-quiet', '-no-progress'],
    ]);
    await rundle(workspace, ['build', 'zstd.sqsh', '-o', 'copied.run']);
    await rundle(workspace, ['build', 'zstd.sqsh', '-o', 'anew.run', '--level', '9']);
    expect(size('anew.run')).toBeLessThan(size('copied.run'));
  });
});
