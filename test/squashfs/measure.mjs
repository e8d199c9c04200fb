// Measures the payload writer: node test/squashfs/measure.mjs DIRECTORY BLOCK_SIZE:LEVEL...
// Prints size, time, CPU time and peak memory for each; as root also the cost of random reads through a loop mount.
// Needs the compiled code (npm run build). Each combination runs in a process of its own.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { writePayload } from '#rundle/squashfs/writer.js';

const [, self, directory, ...combinations] = process.argv;

if (combinations.length === 2 && combinations[0] === '--once') {
  await once(combinations[1]);
} else {
  for (const combination of combinations) {
    const argv = [self, directory, '--once', combination];
    process.stdout.write(execFileSync(process.execPath, argv));
  }
}

async function once(combination) {
  const [blockSize, level] = combination.split(':').map(Number);
  const root = scan(directory, new Map());
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'rundle-measure-'));
  try {
    const payload = path.join(scratch, 'payload.sqfs');
    const output = await open(payload, 'w+');
    const before = process.cpuUsage();
    const begin = performance.now();
    const { size } = await writePayload(root, output, 0, {
      blockSize,
      level,
      workers: 2,
      buildTime: 0,
    });
    const seconds = (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(before);
    await output.close();
    const cpu = (user + system) / 1e6;
    const memory = process.resourceUsage().maxRSS / 1024;
    console.log(
      `${blockSize / 1024}K level ${level}: ${(size / 1e6).toFixed(2)} MB, ${seconds.toFixed(1)} s, ` +
        `CPU ${cpu.toFixed(1)} s, ${memory.toFixed(0)} MB of memory${randomReads(payload, scratch)}`,
    );
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** The tree at `place` as the writer takes it; of special files only fifos, which need no more than metadata. */
function scan(place, seen) {
  const stat = fs.lstatSync(place);
  const mtime = Math.floor(stat.mtimeMs / 1000);
  const metadata = { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime };
  if (stat.isDirectory()) {
    const children = new Map();
    for (const name of fs.readdirSync(place)) {
      children.set(Buffer.from(name).toString('latin1'), scan(path.join(place, name), seen));
    }
    return { kind: 'directory', ...metadata, children };
  }
  const known = seen.get(stat.ino);
  if (known !== undefined) return known;
  let node = { kind: 'fifo', ...metadata };
  if (stat.isFile()) {
    const data = { kind: 'file', path: place };
    const extents = stat.size > 0 ? [{ at: 0, length: stat.size, data, offset: 0 }] : [];
    node = { kind: 'file', ...metadata, size: stat.size, extents };
  } else if (stat.isSymbolicLink()) {
    node = { kind: 'symlink', ...metadata, target: fs.readlinkSync(place, 'latin1') };
  }
  seen.set(stat.ino, node);
  return node;
}

/** Medians of 120 reads of 4 KiB in different MiB of large files, and of 600 small files, in no order. */
function randomReads(payload, scratch) {
  if (process.getuid() !== 0) return '';
  const mount = path.join(scratch, 'mount');
  fs.mkdirSync(mount);
  execFileSync('mount', ['-o', 'loop,ro', payload, mount]);
  try {
    const large = [];
    const small = [];
    for (const entry of fs.readdirSync(mount, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      const { size } = fs.statSync(file);
      if (size > 0 && size < 65_536) small.push(file);
      for (let at = 0; at + 2 ** 20 <= size; at += 2 ** 20) large.push([file, at]);
    }
    fs.readFileSync(payload);
    const four = median(shuffled(large).slice(0, 120), ([file, at]) => {
      const descriptor = fs.openSync(file);
      fs.readSync(descriptor, Buffer.alloc(4096), 0, 4096, at + 500_000);
      fs.closeSync(descriptor);
    });
    const whole = median(shuffled(small).slice(0, 600), (file) => fs.readFileSync(file));
    return `; random 4 KiB ${four} us, small file ${whole} us`;
  } finally {
    execFileSync('umount', [mount]);
  }
}

function median(items, read) {
  const times = items.map((item) => {
    const begin = performance.now();
    read(item);
    return performance.now() - begin;
  });
  return Math.round(1000 * times.sort((a, b) => a - b)[times.length >> 1]);
}

/** In an order that is the same each time. */
function shuffled(items) {
  let state = 1;
  const keyed = items.map((item) => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return [state, item];
  });
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}
