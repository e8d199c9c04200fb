import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noise } from '../squashfs/support/trees.js';
import { end, makeWorkspace, rundle, start, type Workspace } from './support/rundle.js';

let place: Workspace;
beforeAll(() => {
  place = makeWorkspace();
  mkdirSync(place.path('tree/deep'), { recursive: true });
  for (let number = 0; number < 40; number++) {
    writeFileSync(place.path('tree/deep', `noise-${number}`), noise(1 << 20, `${number}`));
  }
});
afterAll(() => place.remove());

/** Waits until `ready`; fails the test when that never comes. */
async function until(ready: () => boolean): Promise<void> {
  for (let round = 0; round < 6000; round++) {
    if (ready()) return;
    await sleep(5);
  }
  throw new Error('it never happened');
}

const names = (directory: string) => (existsSync(directory) ? readdirSync(directory) : []);

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s', (signal, status) => {
  it('ends a build that is packing, and leaves nothing', async () => {
    const output = place.path(signal);
    mkdirSync(output);
    const child = start(place, [
      'build',
      'dir:tree',
      '-o',
      `${output}/app.run`,
      '--level',
      '19',
      '--block-size',
      '64K',
    ]);
    const ended = end(child);
    await until(() => readdirSync(output).length > 0);
    child.kill(signal);
    expect(await ended).toMatchObject({ status, stderr: expect.not.stringMatching(/Error|at /) });
    expect(readdirSync(output)).toEqual([]);
    expect(place.leftovers()).toEqual([]);
  });
});

describe('an interrupted command', () => {
  it('leaves an existing output as it was', async () => {
    const output = place.path('precious');
    mkdirSync(output);
    writeFileSync(`${output}/app.run`, 'precious');
    const child = start(place, [
      'build',
      'dir:tree',
      '-f',
      '-o',
      `${output}/app.run`,
      '--level',
      '19',
      '--block-size',
      '64K',
    ]);
    const ended = end(child);
    await until(() => readdirSync(output).length > 1);
    child.kill('SIGINT');
    expect((await ended).status).toBe(130);
    expect(readdirSync(output)).toEqual(['app.run']);
  });

  it('takes its spooled layers along', async () => {
    execFileSync('tar', ['-czf', place.path('tree.tar.gz'), '-C', place.path('tree'), '.']);
    const child = start(place, [
      'build',
      'tar:tree.tar.gz',
      '-o',
      'spooled.run',
      '--level',
      '19',
      '--block-size',
      '64K',
    ]);
    const ended = end(child);
    await until(() => place.leftovers().some((name) => names(place.path('tmp', name)).length > 0));
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ status: 130, stdout: '' });
    expect(place.leftovers()).toEqual([]);
    expect(existsSync(place.path('spooled.run'))).toBe(false);
  });

  it('takes back what it has unpacked', async () => {
    expect(
      await rundle(place, ['build', 'dir:tree', '-q', '-o', 'tree.run', '--level', '1']),
    ).toMatchObject({ status: 0 });
    mkdirSync(place.path('there'));
    for (const directory of ['there', 'not-there']) {
      const child = start(place, ['unpack', 'tree.run', directory]);
      const ended = end(child);
      await until(() => names(place.path(directory)).length > 0);
      child.kill('SIGINT');
      const { status } = await ended;
      // The launcher may have been faster; then the tree is complete.
      if (status === 130) expect(names(place.path(directory))).toEqual([]);
      else expect(names(place.path(directory, 'deep'))).toHaveLength(40);
      expect(place.leftovers()).toEqual([]);
    }
  });

  it('ends at once at the second signal', async () => {
    const child = start(place, [
      'build',
      'dir:tree',
      '-o',
      'twice.run',
      '--level',
      '19',
      '--block-size',
      '64K',
    ]);
    const ended = end(child);
    await until(() => place.leftovers().length > 0);
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect([130, 143]).toContain((await ended).status);
    expect(place.leftovers()).toEqual([]);
    expect(existsSync(place.path('twice.run'))).toBe(false);
  });
});
