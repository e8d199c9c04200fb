import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settled, until } from './support/leftovers.js';
import { root, runAs, user } from './support/profile.js';
import { build, makeRootfs, makeWorkplace, rundle, type Workplace } from './support/workplace.js';

const shapes = new URL('./support/shapes.py', import.meta.url).pathname;
const GIB = 1024 ** 3;

let place: Workplace;
let bundle: string;
/** The tree from which the bundle was made, on a tmpfs. */
let original: string;
/** The same tree as the program of a running bundle has it, and as the kernel's own squashfs shows it. */
let served: string;
let kernel: string;
let program: ChildProcess;

const output = (...argv: string[]): string => {
  const [name = '', ...rest] = argv;
  return execFileSync(name, rest, { encoding: 'latin1', maxBuffer: 1 << 30 });
};
const python = (code: string, ...argv: string[]): string => output('python3', '-c', code, ...argv);

beforeAll(async () => {
  place = makeWorkplace();
  const memory = join(place.directory, 'memory');
  mkdirSync(memory);
  output('mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', memory);
  const rootfs = join(memory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  original = join(rootfs, 'shapes');
  mkdirSync(original);
  output('python3', shapes, 'make', original);
  const archive = join(memory, 'rootfs.tar');
  const exact = ['--sparse', '--xattrs', '--xattrs-include=*', '--format=pax'];
  output(
    'tar',
    ...exact,
    '--pax-option=delete=atime,delete=ctime',
    '-cf',
    archive,
    '-C',
    rootfs,
    '.',
  );
  bundle = join(place.directory, 'x.run');
  build(`tar:${archive}`, bundle, '--env', 'PATH=/bin');

  kernel = join(place.directory, 'kernel');
  mkdirSync(kernel);
  const [node, cli] = rundle;
  const { sections } = JSON.parse(output(node, cli, 'inspect', '--json', bundle)) as {
    sections: { name: string; offset: number; size: number }[];
  };
  const payload = sections.find(({ name }) => name === 'payload');
  const options = `loop,ro,offset=${payload?.offset},sizelimit=${payload?.size}`;
  output('mount', '-t', 'squashfs', '-o', options, bundle, kernel);
  kernel = join(kernel, 'shapes');

  program = spawn(bundle, ['-q', '--mode', 'mount', 'sleep', '100000'], { stdio: 'ignore' });
  served = `/proc/${program.pid}/root/shapes`;
  await until('the program', () => readlinkSync(`/proc/${program.pid}/exe`).endsWith('busybox'));
});

afterAll(async () => {
  if (program !== undefined) {
    const ended = once(program, 'exit');
    program.kill('SIGKILL');
    await ended;
  }
  spawnSync('umount', ['-l', join(place.directory, 'kernel')]);
  spawnSync('umount', ['-l', join(place.directory, 'memory')]);
  expect(await settled(place.directory)).toEqual([]);
  place.remove();
});

/** The lines of `shapes.py describe`; a difference is told by its first lines. */
function expectSameLines(actual: string, expected: string): void {
  if (actual === expected) return;
  const [ours, theirs] = [actual.split('\n'), expected.split('\n')];
  const at = theirs.findIndex((line, i) => line !== ours[i]);
  expect(ours.slice(at, at + 2)).toEqual(theirs.slice(at, at + 2));
  expect(ours.length).toBe(theirs.length);
}

test('everything is what the kernel shows of the same payload, entry by entry', () => {
  const expected = output('python3', shapes, 'describe', kernel);
  expect(expected.split('\n').length).toBeGreaterThan(168_000);
  expectSameLines(output('python3', shapes, 'describe', served), expected);
});

describe('a sparse file of 5 GiB', () => {
  test('has its size, takes little, and ends where it should', () => {
    const status = statSync(join(served, 'sparse/big'));
    expect(status.size).toBe(5 * GIB);
    expect(status.blocks * 512).toBeLessThan(4 << 20);
    expect(
      python(
        `import os, sys
with open(sys.argv[1], 'rb') as file:
    print(file.seek(0, os.SEEK_END), file.seek(-3, os.SEEK_END), file.read(), file.read(1))
    print(file.seek(5 << 30), file.read(1), file.seek(1 << 40), file.read(1))`,
        join(served, 'sparse/big'),
      ),
    ).toBe(`${5 * GIB} ${5 * GIB - 3} b'end' b''\n${5 * GIB} b'' ${1024 * GIB} b''\n`);
  });

  test('is copied as it was', () => {
    const copy = join(place.directory, 'memory/copy');
    output('cp', '--sparse=always', join(served, 'sparse/big'), copy);
    expect(statSync(copy).blocks * 512).toBeLessThan(4 << 20);
    output('cmp', copy, join(original, 'sparse/big'));
    output('rm', copy);
  });
});

describe('a directory of 100,000 entries', () => {
  test('is listed whole by ls, find and two readers at once', () => {
    const names = Array.from({ length: 100_000 }, (_, i) => `entry-${String(i).padStart(6, '0')}`);
    expect(output('ls', '-f', join(served, 'many')).split('\n').slice(2, -1)).toEqual(names);
    expect(output('find', join(served, 'many'), '-type', 'f', '-empty').split('\n').length).toBe(
      100_001,
    );
    expect(
      output(
        'sh',
        '-c',
        'ls -f "$1" | md5sum & ls -f "$1" | md5sum; wait',
        'sh',
        join(served, 'many'),
      )
        .split('\n')
        .slice(0, 2),
    ).toEqual(
      Array(2).fill(
        `${output('sh', '-c', 'ls -f "$1" | md5sum', 'sh', join(served, 'many'))}`.trim(),
      ),
    );
  });

  test('names at its ends and in the middle are found, others are not', () => {
    for (const name of ['entry-000000', 'entry-050001', 'entry-099999'])
      expect(statSync(join(served, 'many', name)).size).toBe(0);
    for (const name of ['entry', 'entry-', 'entry-000000x', 'entry-100000', 'a', 'zzz', '\x01'])
      expect(() => statSync(join(served, 'many', name))).toThrow('ENOENT');
  });

  test('telldir and seekdir lead back to every entry, rewinddir to the first', () => {
    const code = `import ctypes, os, random, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
libc.telldir.restype = ctypes.c_long
for call, extra in (('readdir', []), ('telldir', []), ('rewinddir', []), ('seekdir', [ctypes.c_long])):
    getattr(libc, call).argtypes = [ctypes.c_void_p] + extra
directory = libc.opendir(os.fsencode(sys.argv[1]))
def read():
    entry = libc.readdir(directory)
    return ctypes.string_at(entry + 19) if entry else None
found = []
while True:
    position = libc.telldir(directory)
    name = read()
    if name is None:
        break
    found.append((position, name))
libc.rewinddir(directory)
assert [read(), read()] == [b'.', b'..'], 'rewound'
picked = random.Random(1).sample(range(len(found)), 1000) + [0, 1, 2, len(found) - 1]
for number in picked:
    libc.seekdir(directory, found[number][0])
    for position, name in found[number:number + 3]:
        assert read() == name, name
print(len(found))`;
    expect(python(code, join(served, 'many'))).toBe('100002\n');
  });
});

test('links, names and paths at their limits', () => {
  expect(statSync(join(served, 'links/00001')).nlink).toBe(65_535);
  expect(readFileSync(join(served, 'links/65535'), 'utf8')).toBe('one of many');
  const names = readdirSync(Buffer.from(join(served, 'names')), {
    encoding: 'buffer',
  }) as unknown as Buffer[];
  expect(names.length).toBe(453);
  expect(names.every(({ length }) => length === 255)).toBe(true);
  expect(readlinkSync(join(served, 'special/symlink'))).toBe('t'.repeat(4095));
  expect(readdirSync(join(served, 'special/empty'))).toEqual(['also', 'too']);
});

test('extended attributes by getfattr, for root all of them', () => {
  const shown = output(
    'getfattr',
    '-d',
    '-m',
    '-',
    '-e',
    'hex',
    '--absolute-names',
    join(served, 'attributes/file'),
  );
  expect(shown).toMatch(/^trusted\.secret=0x000102$/m);
  expect(shown).toMatch(/^user\.long=0x[0-9a-f]{16000}$/m);
  const many = output('getfattr', '-d', '--absolute-names', join(served, 'attributes/many'));
  expect(many.match(/^user\.attribute-\d+=/gm)?.length).toBe(100);
  expect(output('getcap', join(served, 'attributes/program'))).toContain('cap_net_raw=ep');
});

test('times as far as 32 unsigned bits go, and clamped beyond', () => {
  const seconds = (name: string) => statSync(join(served, `times/at ${name}`)).mtimeMs / 1000;
  expect(['-1', '0', '2147483648', '4294967295', '8589934592'].map(seconds)).toEqual([
    0, 0, 2_147_483_648, 4_294_967_295, 4_294_967_295,
  ]);
});

test.each([root, user])('inside, for $name: found and read', async (profile) => {
  const script = `
    cd /shapes
    find many | wc -l; find deep | wc -l; find names -type f -print0 | tr -dc '\\0' | wc -c
    cat long/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*; echo
    tail -c 3 sparse/big; echo; dd if=sparse/big bs=1000 skip=$((3221237817 / 1000)) count=1 2>/dev/null | wc -c
    cat links/33333; echo; readlink special/symlink | wc -c`;
  const ended = await runAs(profile, [bundle, '-q', '--mode', 'mount', 'sh', '-c', script], {
    env: { ...process.env, TMPDIR: place.scratch },
    limit: 200_000,
  });
  expect(ended.stderr).toBe('');
  expect(ended.stdout.split(/\s+/)).toEqual([
    '100001',
    '2002',
    '453',
    'far',
    'away',
    'end',
    '1000',
    'one',
    'of',
    'many',
    '4096',
    '',
  ]);
});

test('the server has stayed below 48 MB', () => {
  const servers = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8') !== 'rundle-server\n') return false;
      return readdirSync(`/proc/${pid}/fd`).some(
        (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === bundle,
      );
    } catch {
      return false; // ended meanwhile
    }
  });
  expect(servers.length).toBe(1);
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${servers[0]}/status`, 'utf8'))?.[1];
  expect(Number(peak)).toBeGreaterThan(1000);
  expect(Number(peak)).toBeLessThan(48 * 1024);
});
