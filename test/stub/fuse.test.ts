import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeSampleTree } from './sample-tree.js';
import { describeTree, type Entry, make, makeScratch, must, run, stub } from './support.js';

const tool = join(stub, 'build/native/fuse_tool');
const scratch = makeScratch();
const tree = join(scratch.path, 'tree');
const served = join(scratch.path, 'served');
const kernel = join(scratch.path, 'kernel');
let server: ChildProcess | undefined;

beforeAll(() => {
  make('build/native/fuse_tool', 'build/asan/fuse_tool');
  makeSampleTree(tree);
  mkdirSync(served);
  mkdirSync(kernel);
});

afterEach(stop);
afterAll(scratch.remove);

function pack(name: string, ...options: string[]): string {
  const image = join(scratch.path, name);
  must(['mksquashfs', tree, image, '-comp', 'zstd', '-quiet', '-no-progress', ...options]);
  return image;
}

async function serve(image: string, threads = '2', program = tool): Promise<void> {
  // Threads that wait for the kernel keep their buffers to the end, which is no leak.
  const env = { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' };
  server = spawn(program, [image, served, threads], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  if (server.stdout === null) throw new Error('no output of the server');
  await once(server.stdout, 'data');
}

/** Unmount; the server has to notice by itself and end well. */
async function stop(): Promise<void> {
  if (server === undefined) return;
  const ended =
    server.exitCode === null ? once(server, 'exit') : Promise.resolve([server.exitCode]);
  run(['umount', served]);
  const [status] = await ended;
  server = undefined;
  expect(status).toBe(0);
}

/** Sizes of directories are the file system's own affair. */
const entries = (path: string): Record<string, Entry> => Object.fromEntries(describeTree(path));

describe.each([
  ['by one thread', '1', tool],
  ['by two threads', '2', tool],
  ['under AddressSanitizer', '2', join(stub, 'build/asan/fuse_tool')],
])('served %s', (_, threads, program) => {
  test.each([
    ['the defaults', []],
    ['blocks of 4 KiB', ['-b', '4K']],
    ['blocks of 1 MiB', ['-b', '1M', '-always-use-fragments']],
    ['nothing compressed', ['-noI', '-noId', '-noD', '-noF', '-noX']],
  ])('an image with %s is what the kernel shows of it, entry by entry', async (name, options) => {
    const image = pack(
      `${name.replaceAll(/\W/g, '-')}-${threads}-${program.length}.sqfs`,
      ...options,
    );
    await serve(image, threads, program);
    must(['mount', '-t', 'squashfs', '-o', 'loop,ro', image, kernel]);
    try {
      const expected = entries(kernel);
      expect(Object.keys(expected).length).toBeGreaterThan(3000);
      expect(entries(served)).toEqual(expected);
    } finally {
      must(['umount', kernel]);
    }
  });
});

test('the tree is read-only', async () => {
  await serve(pack('readonly.sqfs'));
  const [name] = readdirSync(served);
  expect(run(['touch', join(served, 'new')]).stderr).toContain('Read-only');
  expect(run(['rm', '-rf', join(served, name ?? '')]).status).not.toBe(0);
});

test('programs run from it, and mapped files read the same', async () => {
  mkdirSync(join(tree, 'programs'), { recursive: true });
  must(['cp', '/bin/busybox', join(tree, 'programs')]);
  await serve(pack('programs.sqfs'));
  expect(must([join(served, 'programs/busybox'), 'echo', 'from the payload'])).toBe(
    'from the payload\n',
  );
  const hash = createHash('sha256').update(readFileSync('/bin/busybox')).digest('hex');
  expect(must(['sha256sum', join(served, 'programs/busybox')])).toContain(hash);
});

test('a payload cut short gives an input/output error to the reader, never an end of the server', async () => {
  const image = pack('cut.sqfs');
  const { size } = statSync(image);
  await serve(image);
  truncateSync(image, Math.floor(size / 8));
  const read = run(['find', served, '-type', 'f', '-exec', 'cat', '{}', '+']);
  expect(read.stderr).toContain('Input/output error');
  expect(server?.exitCode).toBe(null);
});
