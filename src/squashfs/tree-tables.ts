import type { Node, RegularFile } from '../tree/node.js';
import { type Census, type DirectoryRecord, displayPath, type InodeRecord } from './census.js';
import { type Listing, writeListing } from './directory.js';
import { TYPE } from './format.js';
import { encodeDirectory, encodeFile, encodeSpecial, type InodeFacts } from './inode.js';
import type { FileLayout } from './layout.js';
import { MetadataWriter } from './metadata.js';
import type { PayloadOutput } from './output.js';
import type { WorkerPool } from './pool.js';

/** Where the tree's tables are, in bytes from the payload's start. */
export interface TreeTables {
  inodeTable: number;
  directoryTable: number;
  /** Reference of the root's inode. */
  rootInode: number;
  /** Reference of each inode, by number - 1, 8 bytes each: the entries of the export table. */
  references: Buffer;
}

/**
 * Writes inode and directory table. The two refer to each other by the places of compressed blocks, so the tree is
 * written from the bottom: the inodes of a directory's entries, its listing, and with the entries of the directory above its own inode.
 */
export async function writeTreeTables(
  pool: WorkerPool,
  output: PayloadOutput,
  census: Census,
  layouts: ReadonlyMap<RegularFile, FileLayout>,
): Promise<TreeTables> {
  const inodes = new MetadataWriter(pool);
  const directories = new MetadataWriter(pool);
  const references = Buffer.alloc(8 * census.inodes.size);
  const listings = new Map<Node, Listing>();
  let written = 0;

  const writeInode = async (node: Node, parent: number, path: () => string) => {
    const record = recordOf(census, node);
    // A further name of an inode that is written already.
    if (record.number <= written) return;
    written = record.number;
    references.writeBigUInt64LE(BigInt(inodes.reference), 8 * (record.number - 1));
    const facts = factsOf(census, node, record);
    if (node.kind === 'directory') {
      const listing = listings.get(node) as Listing;
      listings.delete(node);
      await inodes.write(encodeDirectory(node, facts, listing, parent));
    } else if (node.kind === 'file') {
      await inodes.write(encodeFile(node, facts, layouts.get(node) as FileLayout));
    } else {
      await inodes.write(encodeSpecial(node, facts, path));
    }
  };

  for (const directory of census.directories) {
    const { number } = recordOf(census, directory.node);
    const entries = [];
    for (const [name, node] of directory.entries) {
      await writeInode(node, number, () => displayPath(directory, name));
      const record = recordOf(census, node);
      const reference = Number(references.readBigUInt64LE(8 * (record.number - 1)));
      entries.push({ name, reference, number: record.number, type: TYPE[node.kind] });
    }
    listings.set(directory.node, await writeListing(directories, entries));
  }
  // The root has no parent; squashfs-tools writes the number after the last one, and so do we.
  const root = census.directories.at(-1) as DirectoryRecord;
  const rootInode = inodes.reference;
  await writeInode(root.node, census.inodes.size + 1, () => '/');

  const inodeTable = await inodes.finish(output);
  const directoryTable = await directories.finish(output);
  return { inodeTable, directoryTable, rootInode, references };
}

function recordOf(census: Census, node: Node): InodeRecord {
  const record = census.inodes.get(node);
  if (record === undefined) throw new Error('the tree changed while it was written');
  return record;
}

function factsOf({ ids }: Census, node: Node, record: InodeRecord): InodeFacts {
  return { ...record, uid: ids.indexOf(node.uid), gid: ids.indexOf(node.gid) };
}
