import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_BLOCK_SIZE, DEFAULT_LEVEL } from '#rundle/squashfs/options.js';
import { type PayloadOptions, type PayloadSummary, writePayload } from '#rundle/squashfs/writer.js';
import type { Directory, Node } from '#rundle/tree/node.js';

export interface Payload extends PayloadSummary {
  path: string;
}

/** A directory of its own for a test, removed afterwards. */
export async function inScratch<T>(use: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = mkdtempSync(join(tmpdir(), 'rundle-squashfs-'));
  try {
    return await use(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

export async function pack(
  scratch: string,
  root: Directory,
  options: Partial<PayloadOptions> = {},
): Promise<Payload> {
  const path = mkdtempSync(join(scratch, 'payload-')).concat('/payload.sqfs');
  const output = await open(path, 'w+');
  try {
    const summary = await writePayload(root, output, 0, {
      blockSize: DEFAULT_BLOCK_SIZE,
      level: DEFAULT_LEVEL,
      workers: 2,
      buildTime: 0,
      ...options,
    });
    return { path, ...summary };
  } finally {
    await output.close();
  }
}

/** Runs a tool that must succeed; its output byte for byte (latin1). */
export function tool(...argv: string[]): string {
  const [program = '', ...rest] = argv;
  return execFileSync(program, rest, {
    encoding: 'latin1',
    maxBuffer: 1 << 30,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Loop-mounts the payload with the kernel's driver as long as `use` runs; needs root. */
export async function mounted<T>(payload: Payload, use: (root: string) => T): Promise<T> {
  return inScratch(async (scratch) => {
    tool('mount', '-t', 'squashfs', '-o', 'loop,ro', payload.path, scratch);
    try {
      return use(scratch);
    } finally {
      tool('umount', scratch);
    }
  });
}

/** Unpacks the payload with unsquashfs; needs root. */
export async function unsquashed<T>(payload: Payload, use: (root: string) => T): Promise<T> {
  return inScratch(async (scratch) => {
    const root = join(scratch, 'root');
    tool('unsquashfs', '-no-progress', '-quiet', '-strict-errors', '-d', root, payload.path);
    return use(root);
  });
}

/** Unpacks the payload with squashfs-tools-ng; needs root. */
export async function unpackedByNg<T>(payload: Payload, use: (root: string) => T): Promise<T> {
  return inScratch(async (scratch) => {
    const root = join(scratch, 'root');
    mkdirSync(root);
    tool('rdsquashfs', '-q', '-X', '-T', '-C', '-O', '-p', root, '-u', '/', payload.path);
    return use(root);
  });
}

/** What is compared of a node: one line. Hard links show as the first path (in byte order) of their group. */
export type Description = Map<string, string>;

/** The tree as it should come out. */
export function describeTree(root: Directory): Description {
  const description: Description = new Map();
  const firsts = new Map<Node, string>();
  const visit = (node: Node, path: string) => {
    const first = firsts.get(node);
    if (first === undefined) firsts.set(node, path);
    const links = node.kind === 'directory' ? '' : ` first=${first ?? path}`;
    const mtime = Math.min(Math.max(node.mtime, 0), 0xffff_ffff);
    description.set(
      path,
      `${node.kind} ${(node.mode & 0o7777).toString(8)} ${node.uid}:${node.gid} ${mtime} ${detail(node)}${links}`,
    );
    if (node.kind !== 'directory') return;
    const names = [...node.children.keys()].sort();
    for (const name of names) visit(node.children.get(name) as Node, `${path}/${name}`);
  };
  visit(root, '');
  return description;
}

function detail(node: Node): string {
  switch (node.kind) {
    case 'file': {
      const bytes = Buffer.alloc(node.size);
      for (const { at, length, data, offset } of node.extents) {
        if (data.kind !== 'memory' && data.kind !== 'file') {
          throw new Error('images and layers are not read here');
        }
        const source = data.kind === 'memory' ? data.bytes : readFileSync(data.path as string);
        bytes.set(source.subarray(offset, offset + length), at);
      }
      return `${node.size} ${sha256(bytes)}`;
    }
    case 'symlink':
      return node.target;
    case 'block-device':
    case 'character-device':
      return `${node.major}:${node.minor}`;
    default:
      return '';
  }
}

/** The tree as it stands on disk below `root`. */
export function describeDisk(root: string): Description {
  const description: Description = new Map();
  const firsts = new Map<number, string>();
  const visit = (path: string) => {
    const place = Buffer.from(root + path, 'latin1');
    const stat = lstatSync(place);
    let kind = '';
    let rest = '';
    if (stat.isDirectory()) kind = 'directory';
    if (stat.isFile()) {
      kind = 'file';
      rest = `${stat.size} ${sha256(readFileSync(place))}`;
    }
    if (stat.isSymbolicLink()) {
      kind = 'symlink';
      rest = readlinkSync(place, 'latin1');
    }
    if (stat.isBlockDevice()) kind = 'block-device';
    if (stat.isCharacterDevice()) kind = 'character-device';
    if (kind.endsWith('device')) rest = deviceNumber(stat.rdev);
    if (stat.isFIFO()) kind = 'fifo';
    if (stat.isSocket()) kind = 'socket';
    const first = firsts.get(stat.ino);
    if (first === undefined) firsts.set(stat.ino, path);
    const links = kind === 'directory' ? '' : ` first=${first ?? path}`;
    const mtime = Math.floor(stat.mtimeMs / 1000);
    description.set(
      path,
      `${kind} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${mtime} ${rest}${links}`,
    );
    if (kind !== 'directory') return;
    const names = readdirSync(place, 'latin1').sort();
    for (const name of names) visit(`${path}/${name}`);
  };
  visit('');
  return description;
}

/** glibc's dev_t, as stat(2) gives it. */
function deviceNumber(rdev: number): string {
  const number = BigInt(rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & 0xffff_f000n);
  const minor = (number & 0xffn) | ((number >> 12n) & 0xffff_ff00n);
  return `${major}:${minor}`;
}

/** All extended attributes below `root`, as getfattr lists them, values in hex. */
export function attributesBelow(root: string): Map<string, string[]> {
  const listing = tool(
    'getfattr',
    '-R',
    '-P',
    '-h',
    '-d',
    '-m',
    '-',
    '-e',
    'hex',
    '--absolute-names',
    root,
  );
  const found = new Map<string, string[]>();
  for (const paragraph of listing.split('\n\n')) {
    const [head, ...lines] = paragraph.split('\n').filter((line) => line !== '');
    if (head !== undefined) found.set(head.slice(`# file: ${root}`.length), lines.sort());
  }
  return found;
}

/** The same from the tree; only attributes that SquashFS holds. */
export function attributesOf(root: Directory): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const visit = (node: Node, path: string) => {
    const lines = [...(node.xattrs ?? [])]
      .filter(([name]) => /^(user|trusted|security)\./.test(name))
      .map(([name, value]) => `${name}=0x${Buffer.from(value).toString('hex')}`);
    if (lines.length > 0) found.set(path, lines.sort());
    if (node.kind !== 'directory') return;
    for (const [name, child] of node.children) visit(child, `${path}/${name}`);
  };
  visit(root, '');
  return found;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
