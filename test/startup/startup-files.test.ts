import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readElfNeeds } from '#rundle/startup/elf.js';
import { startupFiles } from '#rundle/startup/startup-files.js';
import { fromText } from '#rundle/tree/byte-string.js';
import { emptyDirectory, memoryFile, type RegularFile } from '#rundle/tree/node.js';
import { insert } from '#rundle/tree/path.js';

const metadata = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
const hostFile = (path: string) => memoryFile(readFileSync(path), metadata);

/** The libraries of a program as the host's own loader names them. */
function libraries(program: string): string[] {
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
}

/** A tree with a program and what it needs, at the paths the host has them under. */
function treeWith(program: string) {
  const root = emptyDirectory();
  const files = new Map<string, RegularFile>();
  for (const path of [program, ...libraries(program)]) {
    const file = hostFile(realpathSync(path));
    files.set(path, file);
    insert(root, fromText(path), file);
  }
  return { root, files };
}

test('a program brings its loader and libraries, as ldd names them', async () => {
  const { root, files } = treeWith('/usr/bin/env');
  const programs = { programs: [fromText('env')], searchPath: fromText('/nowhere:/usr/bin') };
  const found = await startupFiles(root, programs, 16 << 20);
  expect(new Set(found)).toEqual(new Set(files.values()));
  expect(found[0]).toBe(files.get('/usr/bin/env'));
});

test('what every start reads comes first, the C library before a program that is too large', async () => {
  const { root, files } = treeWith('/bin/sh');
  const passwd = memoryFile(Buffer.from('root:x:0:0::/:/bin/sh\n'), metadata);
  insert(root, fromText('/etc/passwd'), passwd);
  insert(root, fromText('/large'), memoryFile(Buffer.alloc(64 << 20), metadata));
  const libraries = [...files].filter(([path]) => path !== '/bin/sh').map(([, file]) => file);
  const found = await startupFiles(root, {
    programs: [fromText('/large')],
    searchPath: fromText(''),
  });
  expect(found[0]).toBe(passwd);
  expect(new Set(found.slice(1))).toEqual(new Set(libraries));
});

test('of a small image only an eighth is stored uncompressed', async () => {
  const { root, files } = treeWith('/bin/sh');
  const total = [...files.values()].reduce((sum, { size }) => sum + size, 0);
  const found = await startupFiles(root, {
    programs: [fromText('/bin/sh')],
    searchPath: fromText(''),
  });
  expect(found.length).toBeGreaterThan(0);
  expect(found.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(total / 8);
});

test('a script brings its interpreter, also through env', async () => {
  const { root, files } = treeWith('/usr/bin/env');
  for (const line of ['#!/usr/bin/env\n', '#! /usr/bin/env -S x\n']) {
    const script = memoryFile(Buffer.from(line), metadata);
    insert(root, fromText('/start'), script);
    const found = await startupFiles(root, {
      programs: [fromText('/start')],
      searchPath: fromText(''),
    });
    expect(found[0]).toBe(script);
    expect(found).toContain(files.get('/usr/bin/env'));
  }
});

test('one that does not fit is left out, what it needs is not', async () => {
  const { root, files } = treeWith('/usr/bin/env');
  const libc = [...files.values()].reduce((one, other) => (one.size > other.size ? one : other));
  const programs = { programs: [fromText('/usr/bin/env')], searchPath: fromText('') };
  const found = await startupFiles(root, programs, libc.size - 1);
  expect(found).not.toContain(libc);
  expect(found.length).toBe(files.size - 1);
});

test('what is missing, not ELF, or too large is passed over', async () => {
  const root = emptyDirectory();
  insert(root, fromText('/text'), memoryFile(Buffer.from('no program'), metadata));
  insert(root, fromText('/large'), memoryFile(Buffer.alloc(5 * 1024 * 1024), metadata));
  const programs = ['/text', '/large', '/missing', 'nowhere', '/text/below'].map(fromText);
  const found = await startupFiles(root, { programs, searchPath: fromText('') });
  expect(found.map((file) => file.size)).toEqual([10]);
});

test('damaged ELF files end in nothing, not in an error or a long search', async () => {
  const whole = readFileSync('/usr/bin/env');
  let state = 1;
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from(whole.subarray(0, 4096));
    for (let change = 0; change < 8; change++) {
      state = (state * 1103515245 + 12345) % 2147483648;
      bytes[state % 1024] = state % 256;
    }
    bytes.write('\x7fELF', 0, 'latin1');
    const needs = await readElfNeeds(memoryFile(bytes, metadata));
    expect(needs === undefined || Array.isArray(needs.needed)).toBe(true);
  }
});
