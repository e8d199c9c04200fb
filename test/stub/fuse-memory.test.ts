import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { make, makeScratch, must, run, stub } from './support.js';

const READERS = 8;
const tool = join(stub, 'build/native/fuse_tool');
const scratch = makeScratch();
const tree = join(scratch.path, 'tree');
const served = join(scratch.path, 'served');
let server: ChildProcess | undefined;

/** More than a GiB: what compresses well and what does not, in large files and small ones, and many names. */
beforeAll(() => {
  make('build/native/fuse_tool');
  mkdirSync(served);
  mkdirSync(tree);
  const script = `cd "$1"
    for n in $(seq ${READERS}); do
      mkdir "$n"
      head -c 40000000 /dev/urandom > "$n/noise"
      seq "$n"0000000 "$n"9999999 | head -c 75000000 > "$n/numbers"
      split -b 20000 -a 4 -d "$n/noise" "$n/piece-"
    done`;
  must(['sh', '-c', script, 'sh', tree]);
  const names = `import os, sys
os.mkdir(sys.argv[1])
for number in range(70_000):
    open(f"{sys.argv[1]}/{number:0100d}", "w").close()`;
  must(['python3', '-c', names, join(tree, 'names')]);
});

afterEach(async () => {
  if (server === undefined) return;
  const ended = once(server, 'exit');
  run(['umount', served]);
  expect((await ended)[0]).toBe(0);
  server = undefined;
});

afterAll(scratch.remove);

/** Reads a share from its start to its end, past the page cache a MiB at once too, then 4 KiB here and there. */
const reader = `import mmap, os, random, sys
here = os.path.join(sys.argv[1], sys.argv[2])
total = 0
for name in sorted(os.listdir(here)):
    with open(os.path.join(here, name), 'rb', buffering=0) as file:
        while piece := file.read(1 << 20):
            total += len(piece)
memory = mmap.mmap(-1, 1 << 20)
direct = os.open(os.path.join(here, 'numbers'), os.O_RDONLY | os.O_DIRECT)
while os.readv(direct, [memory]) > 0:
    pass
numbers = random.Random(sys.argv[2])
for _ in range(300):
    with open(os.path.join(sys.argv[1], str(numbers.randint(1, ${READERS})), 'numbers'), 'rb', buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(numbers.randrange(0, 74_000_000, 4096))
        assert len(file.read(4096)) == 4096
print(total)`;

test.each([
  ['128K', 8],
  ['1M', 8],
  ['1M', 2],
])(
  'more than 1 GiB in blocks of %s is served to eight readers below 48 MB by %i threads',
  async (size, threads) => {
    const image = join(scratch.path, `${size}.sqfs`);
    const fast = [
      '-comp',
      'zstd',
      '-Xcompression-level',
      '1',
      '-no-duplicates',
      '-quiet',
      '-no-progress',
    ];
    if (!existsSync(image)) must(['mksquashfs', tree, image, '-b', size, ...fast]);
    server = spawn(tool, [image, served, String(threads)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (server.stdout === null) throw new Error('no output of the server');
    await once(server.stdout, 'data');
    const program = join(scratch.path, 'reader.py');
    writeFileSync(program, reader);
    const script = `for n in $(seq ${READERS}); do python3 "$1" "$2" "$n" & done
      find "$2" -ls | wc -l >&2; wait`;
    const { status, stdout } = run(['sh', '-c', script, 'sh', program, served]);
    expect(status).toBe(0);
    const totals = stdout.trim().split('\n').map(Number);
    expect(totals.length).toBe(READERS);
    expect(totals.reduce((sum, total) => sum + total, 0)).toBeGreaterThan(1.1 * 1024 ** 3);
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
    expect(Number(peak)).toBeGreaterThan(8 * 1024);
    expect(Number(peak)).toBeLessThan(48 * 1024);
  },
);
