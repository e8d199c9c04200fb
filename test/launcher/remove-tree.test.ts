import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileC, makeWorkbench, piecesSources, type Workbench } from './support/workbench.js';

let bench: Workbench;
let pieces: string;

beforeAll(() => {
  bench = makeWorkbench();
  pieces = compileC(join(bench.directory, 'pieces'), piecesSources);
});
afterAll(() => bench?.remove());

describe('removing trees', () => {
  let place: string;
  beforeAll(() => {
    place = mkdtempSync(join(bench.directory, 'remove-'));
    chmodSync(place, 0o777);
  });
  const remove = (name: string) =>
    spawnSync(
      'setpriv',
      ['--reuid', '12345', '--regid', '12345', '--clear-groups', pieces, 'remove', place, name],
      { encoding: 'latin1' },
    ).stdout.trim();
  const asUser = (script: string) =>
    execFileSync(
      'setpriv',
      ['--reuid', '12345', '--regid', '12345', '--clear-groups', 'sh', '-ec', script],
      { cwd: place },
    );

  test('directories without any permission', () => {
    asUser(
      'mkdir -p a/b/c a/x; touch a/b/f a/b/c/g; chmod 0 a/b/c a/b/f; chmod 555 a/b; chmod 0 a a/x 2>/dev/null || chmod 0 a',
    );
    expect(remove('a')).toBe('removed');
    expect(existsSync(join(place, 'a'))).toBe(false);
  });

  test('a tree deeper than any path can be', () => {
    const script =
      'import os\nos.mkdir("deep"); os.chdir("deep")\nfor i in range(3000): open("f", "w").close(); os.mkdir("d" * 9); os.chdir("d" * 9)';
    asUser(`python3 -c '${script}'`);
    expect(remove('deep')).toBe('removed');
    expect(existsSync(join(place, 'deep'))).toBe(false);
  });

  test('links are removed, not followed', () => {
    const outside = mkdtempSync(join(bench.directory, 'outside-'));
    chmodSync(outside, 0o777);
    writeFileSync(join(outside, 'precious'), '');
    asUser(
      `mkdir l; ln -s ${outside} l/dir; ln -s ${outside}/precious l/file; ln -s . l/self; mkfifo l/p`,
    );
    expect(remove('l')).toBe('removed');
    expect(readdirSync(outside)).toEqual(['precious']);
    symlinkSync(outside, join(place, 'link'));
    remove('link');
    expect(readdirSync(outside)).toEqual(['precious']);
  });

  test.each(['with openat2', 'without openat2'])('what is mounted inside is left, %s', (how) => {
    const outside = mkdtempSync(join(bench.directory, 'outside-'));
    chmodSync(outside, 0o777);
    writeFileSync(join(outside, 'precious'), '');
    chmodSync(join(outside, 'precious'), 0o666);
    asUser('mkdir -p m/point m/other; touch m/other/f');
    execFileSync('mount', ['--bind', outside, join(place, 'm/point')]);
    try {
      const without = compileC(join(bench.directory, 'without'), ['support/without.c']);
      const words = how === 'with openat2' ? [] : [without, 'openat2=38', '--'];
      const ended = spawnSync('env', [...words, pieces, 'remove', place, 'm'], {
        encoding: 'latin1',
      });
      expect(ended.status).toBe(1);
      expect(readdirSync(outside)).toEqual(['precious']);
      expect(readdirSync(join(place, 'm'))).toEqual(['point']);
    } finally {
      execFileSync('umount', [join(place, 'm/point')]);
    }
    expect(remove('m')).toBe('removed');
  });

  test('what is not there is no error', () => {
    expect(remove('nothing')).toBe('removed');
  });
});
