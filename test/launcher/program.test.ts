import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFront, type Front } from './support/front.js';

let front: Front;
beforeAll(() => {
  front = compileFront();
});
afterAll(() => front?.remove());

describe('which program', () => {
  const full = ['entrypoint=/bin/e', 'entrypoint=-x', 'cmd=c', 'cmd=d', 'workdir=/w'];
  test.each([
    [full, [], ['/bin/e', '-x', 'c', 'd']],
    [full, ['a', 'b'], ['/bin/e', '-x', 'a', 'b']],
    [full, ['--no-entrypoint', 'a', 'b'], ['a', 'b']],
    [full, ['--no-entrypoint'], ['/bin/sh']],
    [full, ['--rc', 'script', 'a'], ['/etc/rc', 'a']],
    [['cmd=c'], [], ['c']],
    [['cmd=c'], ['a'], ['a']],
    [['entrypoint=/bin/e'], [], ['/bin/e']],
    [[], [], ['/bin/sh']],
    [[], ['', 'a'], ['', 'a']],
    [[...full, 'rc=1'], [], ['/etc/rc']],
    [
      [...full, 'rc=1'],
      ['a', '-k'],
      ['/etc/rc', 'a', '-k'],
    ],
    [[...full, 'rc=1'], ['--no-entrypoint', 'a'], ['a']],
  ])('image %j, command line %j', (image, argv, expected) => {
    expect(front.run(['program', front.config(...image), ...argv]).arguments).toEqual(expected);
  });

  test('where it starts: --workdir, the caller’s directory, the image’s', () => {
    const config = front.config(...full);
    const directory = (...argv: string[]) => front.run(['program', config, ...argv]).directory;
    expect(directory()).toBe('/w');
    expect(directory('--mount-cwd')).toBe('/caller');
    expect(directory('--mount-cwd', '--workdir', '/x')).toBe('/x');
  });
});

describe('its start', () => {
  /** A program of `content`; the start is tried on this host. */
  function executable(name: string, content: string | Buffer, mode = 0o755): string {
    const path = front.file(name, content);
    chmodSync(path, mode);
    return path;
  }
  const execute = (
    argv: string[],
    host: Record<string, string> = { PATH: '/usr/bin:/bin' },
    ...image: string[]
  ) => front.run(['execute', front.config(...image), '--no-entrypoint', ...argv], host);

  test('by path, through PATH, and a script without #! by the shell', () => {
    expect(execute(['/bin/echo', 'a b', '']).stdout).toBe('a b \n');
    expect(execute(['echo', 'x']).stdout).toBe('x\n');
    const script = executable('plain', 'echo "$0 $# $2"\n');
    expect(execute([script, 'a', 'b c']).stdout).toBe(`${script} 2 b c\n`);
  });

  test('in the working directory, which is made when it can be', () => {
    expect(execute(['pwd'], { PATH: '/bin' }, 'workdir=/etc').stdout).toBe('/etc\n');
    const made = join(front.directory, 'new/sub');
    expect(execute(['pwd'], { PATH: '/bin' }, `workdir=${made}`).stdout).toBe(`${made}\n`);
    const answer = execute(['pwd'], { PATH: '/bin' }, 'workdir=/proc/none');
    expect(answer.status).toBe(125);
    expect(answer.fault).toContain('/proc/none');
    expect(answer.hint).toContain('--workdir');
  });

  /** The exit status the launcher would end with, and the reason. */
  function failure(argv: string[], host?: Record<string, string>) {
    const answer = execute(argv, host) as { fault?: string; hint?: string; status: number };
    return `${answer.status} ${answer.fault} (${answer.hint})`;
  }

  test('not found: 127 with the path', () => {
    expect(failure(['/no/such'])).toMatch(/^127 '\/no\/such' is not in the image/);
    expect(failure(['no-such'])).toMatch(
      /^127 'no-such' is not found .*PATH inside is \/usr\/bin:\/bin/,
    );
    expect(failure(['echo'], { PATH: '' })).toMatch(/^127 /);
    expect(failure(['echo'], {})).toMatch(/^127 /);
    expect(failure([''])).toMatch(/^12[67] /);
    expect(failure(['x'], { PATH: `${'/long'.repeat(2000)}:/bin` })).toMatch(/^127 /);
  });

  test('cannot be executed: 126 with the reason', () => {
    expect(failure(['/etc'])).toMatch(/^126 .*'\/etc'.*it is a directory/);
    expect(failure([executable('closed', 'x', 0o644)])).toMatch(/^126 .*no executable bit/);
    const foreign = Buffer.alloc(4096);
    foreign.write('\x7fELF\x02\x01\x01', 'latin1');
    foreign.writeUInt16LE(2, 16);
    foreign.writeUInt16LE(0x1234, 18);
    expect(failure([executable('foreign', foreign)])).toMatch(/^126 .*another kind of machine/);
    symlinkSync('nowhere', join(front.directory, 'dangling'));
    expect(failure([join(front.directory, 'dangling')])).toMatch(/^126 .*leads to/);
  });

  test('a missing interpreter is told from a missing program', () => {
    expect(failure([executable('script', '#! /no/interpreter -x\n')])).toMatch(
      /^126 .*its interpreter '\/no\/interpreter' is not in the image/,
    );
    expect(failure([executable('elf', dynamic('/no/loader.so'))])).toMatch(
      /^126 .*its interpreter '\/no\/loader.so' is not in the image/,
    );
  });

  test('a candidate in PATH that cannot be executed does not hide a later one', () => {
    mkdirSync(join(front.directory, 'first'));
    executable('first/tool', 'x', 0o644);
    mkdirSync(join(front.directory, 'second'));
    const first = join(front.directory, 'first');
    const second = join(front.directory, 'second');
    expect(failure(['tool'], { PATH: `${first}:${second}` })).toMatch(/^126 .*first\/tool/);
    executable('second/tool', '#!/bin/sh\necho second\n');
    expect(execute(['tool'], { PATH: `${first}:${second}` }).stdout).toBe('second\n');
  });
});

/** The start of a dynamic x86_64 program whose PT_INTERP is `interpreter`. */
function dynamic(interpreter: string): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write('\x7fELF\x02\x01\x01', 'latin1');
  bytes.writeUInt16LE(3, 16); // ET_DYN
  bytes.writeUInt16LE(process.arch === 'arm64' ? 183 : 62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(64n, 32); // e_phoff
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(1, 56);
  bytes.writeUInt32LE(3, 64); // PT_INTERP
  bytes.writeBigUInt64LE(256n, 64 + 8);
  bytes.writeBigUInt64LE(BigInt(interpreter.length + 1), 64 + 32);
  bytes.write(`${interpreter}\0`, 256);
  return bytes;
}
