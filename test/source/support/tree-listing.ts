import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Directory, Node, RegularFile } from '#rundle/tree/node.js';

/** What two trees are compared by: everything of an entry that a file system keeps, but not its place in memory. */
export interface ListedEntry {
  kind: string;
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  xattrs: Record<string, string>;
  size?: number;
  sha256?: string;
  target?: string;
  device?: [number, number];
  /** First path, in byte order, of the file that this is a name of. */
  link?: string;
}

export type Listing = Record<string, ListedEntry>;

/** A directory on disk. */
export function listDirectory(path: string): Listing {
  const script = fileURLToPath(new URL('./list-tree.py', import.meta.url));
  const output = execFileSync('python3', [script, path], { maxBuffer: 2 ** 30 });
  return JSON.parse(output.toString('utf8'));
}

/** A merged tree; contents are read from where the extents say. */
export async function listTree(root: Directory): Promise<Listing> {
  const listing: Listing = {};
  const firstNames = new Map<Node, string>();
  const walk = async (node: Node, path: string) => {
    listing[path] = await describe(node, path, firstNames);
    if (node.kind !== 'directory') return;
    for (const name of [...node.children.keys()].sort()) {
      const child = node.children.get(name);
      if (child) await walk(child, path === '' ? name : `${path}/${name}`);
    }
  };
  await walk(root, '');
  return listing;
}

async function describe(
  node: Node,
  path: string,
  firstNames: Map<Node, string>,
): Promise<ListedEntry> {
  const { kind, mode, uid, gid, mtime } = node;
  const xattrs: Record<string, string> = {};
  for (const [name, value] of node.xattrs ?? []) xattrs[name] = Buffer.from(value).toString('hex');
  const entry: ListedEntry = { kind, mode, uid, gid, mtime, xattrs };
  if (node.kind === 'file') {
    const content = await contentOf(node);
    entry.size = content.length;
    entry.sha256 = createHash('sha256').update(content).digest('hex');
  }
  if (node.kind === 'symlink') entry.target = node.target;
  if ('major' in node) entry.device = [node.major, node.minor];
  if (kind !== 'directory') {
    if (!firstNames.has(node)) firstNames.set(node, path);
    entry.link = firstNames.get(node) ?? path;
  }
  return entry;
}

/** A file's bytes, holes as zeros. */
export async function contentOf(file: RegularFile): Promise<Buffer> {
  const content = Buffer.alloc(file.size);
  for (const { at, length, data, offset } of file.extents) {
    if (data.kind === 'memory') {
      content.set(data.bytes.subarray(offset, offset + length), at);
      continue;
    }
    if (data.kind === 'layer') {
      await data.layer.spool.read(data.layer, offset, content.subarray(at, at + length));
      continue;
    }
    if (data.kind === 'block') throw new Error('blocks of an image are not read here');
    const descriptor = openSync(Buffer.from(data.path), 'r');
    try {
      if (readSync(descriptor, content, at, length, offset) !== length) throw new Error('short');
    } finally {
      closeSync(descriptor);
    }
  }
  return content;
}
