import type { Directory, Node } from './node.js';

/** What a tree takes when it is written out. */
export interface Tally {
  /** Each once, whatever the number of its names; the root is one. */
  inodes: number;
  /** Bytes of the regular files, holes included. */
  contentBytes: number;
}

/** Counts the tree below `root`. */
export function tallyTree(root: Directory): Tally {
  const seen = new Set<Node>([root]);
  const pending: Directory[] = [root];
  let contentBytes = 0;
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    for (const node of directory.children.values()) {
      if (seen.has(node)) continue;
      seen.add(node);
      if (node.kind === 'directory') pending.push(node);
      else if (node.kind === 'file') contentBytes += node.size;
    }
  }
  return { inodes: seen.size, contentBytes };
}
