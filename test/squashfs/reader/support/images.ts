import { fileURLToPath } from 'node:url';
import { readSquashfs, type SquashfsTree } from '#rundle/squashfs/reader/reader.js';
import { readContent } from '#rundle/tree/content.js';
import { type Directory, memoryFile, type Node } from '#rundle/tree/node.js';
import { type Listing, listTree } from '../../../source/support/tree-listing.js';
import { tool } from '../../support/judge.js';

/** Makes the tree of disk-tree.py in an empty directory, with `entries` files in its large directory. */
export function makeDiskTree(directory: string, entries: number): void {
  const script = fileURLToPath(new URL('./disk-tree.py', import.meta.url));
  tool('python3', script, directory, String(entries));
}

/** Makes an image with mksquashfs; `options` as it takes them. */
export function mksquashfs(source: string, image: string, ...options: string[]): void {
  tool('mksquashfs', source, image, '-no-progress', '-quiet', '-noappend', ...options);
}

/** Reads the image at `path`. */
export function read(path: string): Promise<SquashfsTree> {
  return readSquashfs({ path, offset: 0 }, false, `reading ${path}`);
}

/** Every entry of a tree, with the digests of its contents. */
export async function listImage(root: Directory): Promise<Listing> {
  const copies = new Map<Node, Node>();
  const copy = async (node: Node): Promise<Node> => {
    const known = copies.get(node);
    if (known !== undefined) return known;
    let copied: Node = node;
    if (node.kind === 'file') {
      copied = memoryFile(await readContent(node, 0, node.size), node);
    } else if (node.kind === 'directory') {
      const children = new Map(node.children);
      for (const [name, child] of children) children.set(name, await copy(child));
      copied = { ...node, children };
    }
    copies.set(node, copied);
    return copied;
  };
  return await listTree((await copy(root)) as Directory);
}
