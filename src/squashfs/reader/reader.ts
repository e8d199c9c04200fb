import { loadDecoder } from '../../decoder/decoder.js';
import { RundleError } from '../../errors.js';
import { type ByteString, toDisplay } from '../../tree/byte-string.js';
import type { BlockImage, Directory, Node } from '../../tree/node.js';
import { METADATA_SIZE, TYPE } from '../format.js';
import { Budget } from './budget.js';
import { FileContents } from './file-content.js';
import { ImageFile, type ImagePlace } from './image-file.js';
import { type RawInode, readInode } from './inode.js';
import { type ListedEntry, readListing } from './listing.js';
import { Cursor, lookupEntry, Metadata, type Table } from './metadata.js';
import { type ImageSuperblock, readSuperblock } from './superblock.js';
import { XattrSets } from './xattrs.js';

/** Deeper directories have paths that no process can name (PATH_MAX). */
const MAX_DEPTH = 2048;
/** Memory that a name in a directory takes, roughly, in bytes, beside its letters. */
const ENTRY_COST = 160;

/** The tree of an image. */
export interface SquashfsTree {
  root: Directory;
  image: BlockImage;
}

/**
 * Reads the tree of a SquashFS 4.0 image with any compressor but lzma; where contents are goes into the tree, and they are
 * decoded when they are packed. `verified`: the digest of the whole image was compared. `where` begins messages. Everything in the image is
 * checked before it is used, and memory is bounded whatever it claims.
 *
 * Throws E_SOURCE when the file cannot be read, E_FORMAT with the path for what the image says of itself and cannot be,
 * E_UNSUPPORTED for versions, compressors and sizes that are not supported.
 */
export async function readSquashfs(
  place: ImagePlace,
  verified: boolean,
  where: string,
): Promise<SquashfsTree> {
  let file: ImageFile | undefined;
  let reader: TreeReader | undefined;
  try {
    file = new ImageFile(place);
    const superblock = readSuperblock(file);
    const { compressor, blockSize, deduplicated } = superblock;
    const image = { path: place.path, compressor, blockSize, verified, deduplicated };
    const metadata = new Metadata(file, await loadDecoder(compressor));
    reader = new TreeReader(metadata, superblock, image);
    return { root: reader.read(), image };
  } catch (error) {
    if (!(error instanceof RundleError)) throw error;
    const at = reader === undefined ? '' : `/${toDisplay(reader.path)}: `;
    throw new RundleError(error.code, `${where}: ${at}${error.message}`, {
      cause: error,
      ...(error.hint !== undefined && { hint: error.hint }),
    });
  } finally {
    file?.close();
  }
}

/** A directory whose entries are still to be read. */
interface Pending {
  directory: Directory;
  inode: RawInode & { kind: 'directory' };
  path: ByteString;
  depth: number;
}

class TreeReader {
  /** What is being read, for messages. */
  path = '' as ByteString;
  readonly #metadata: Metadata;
  readonly #superblock: ImageSuperblock;
  readonly #inodes: Table;
  readonly #listings: Table;
  readonly #budget = new Budget();
  readonly #xattrs: XattrSets;
  readonly #contents: FileContents;
  readonly #ids: number[];
  /** By the place of their inode: what is named twice is a hard link. */
  readonly #nodes = new Map<number, Node>();
  readonly #pending: Pending[] = [];

  constructor(metadata: Metadata, superblock: ImageSuperblock, image: BlockImage) {
    const { inodeTable, directoryTable, bytesUsed } = superblock;
    this.#metadata = metadata;
    this.#superblock = superblock;
    this.#inodes = { start: inodeTable, end: directoryTable };
    this.#listings = { start: directoryTable, end: bytesUsed };
    this.#xattrs = new XattrSets(metadata, superblock.xattrTable, this.#budget);
    this.#contents = new FileContents(metadata, superblock, image, this.#budget);
    this.#ids = Array.from({ length: superblock.ids }, (_, index) =>
      lookupEntry(metadata, superblock.idTable, index, 4).readUInt32LE(),
    );
  }

  read(): Directory {
    const { rootInode } = this.#superblock;
    const block = Number(rootInode >> 16n);
    const entry = { block, offset: Number(rootInode & 0xffffn), type: TYPE.directory };
    const root = this.#node(entry, '' as ByteString, 0);
    if (root.kind !== 'directory') throw damaged('the root is no directory');
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) {
      this.#fill(next);
    }
    return root;
  }

  #fill({ directory, inode, path, depth }: Pending): void {
    this.path = path;
    if (inode.size === 0) return;
    const cursor = new Cursor(this.#metadata, this.#listings, inode.block, inode.offset);
    for (const entry of readListing(cursor, inode.size)) {
      const { name } = entry;
      this.#budget.spend(ENTRY_COST + name.length);
      if (directory.children.has(name)) {
        this.path = path;
        throw damaged(`it has two entries with the name "${toDisplay(name)}"`);
      }
      const childPath = (path === '' ? name : `${path}/${name}`) as ByteString;
      directory.children.set(name, this.#node(entry, childPath, depth + 1));
    }
  }

  /** The node that an entry names, which may have other names already. */
  #node(entry: Omit<ListedEntry, 'name'>, path: ByteString, depth: number): Node {
    this.path = path;
    const place = entry.block * 0x1_0000 + entry.offset;
    const known = this.#nodes.get(place);
    if (known !== undefined) {
      if (known.kind === 'directory') throw damaged('it is a directory with another name, too');
      this.#assertType(known, entry);
      return known;
    }
    if (entry.offset >= METADATA_SIZE) throw damaged(`its inode would be at ${entry.offset}`);
    const cursor = new Cursor(this.#metadata, this.#inodes, entry.block, entry.offset);
    const inode = readInode(cursor);
    this.#assertType(inode, entry);
    const node = this.#nodeOf(inode, cursor);
    this.#nodes.set(place, node);
    if (node.kind === 'directory' && inode.kind === 'directory') {
      if (depth > MAX_DEPTH) throw damaged(`it is more than ${MAX_DEPTH} directories deep`);
      this.#pending.push({ directory: node, inode, path, depth });
    }
    return node;
  }

  #nodeOf(inode: RawInode, cursor: Cursor): Node {
    const xattrs = this.#xattrs.get(inode.xattrs);
    const metadata = {
      mode: inode.mode,
      uid: this.#id(inode.uid),
      gid: this.#id(inode.gid),
      mtime: inode.mtime,
      ...(xattrs !== undefined && xattrs.size > 0 && { xattrs }),
    };
    switch (inode.kind) {
      case 'directory':
        return { kind: inode.kind, ...metadata, children: new Map() };
      case 'file': {
        const extents = this.#contents.extents(inode, cursor);
        return { kind: inode.kind, ...metadata, size: inode.size, extents };
      }
      case 'symlink':
        this.#budget.spend(inode.target.length);
        return { kind: inode.kind, ...metadata, target: inode.target };
      case 'fifo':
      case 'socket':
        return { kind: inode.kind, ...metadata };
      default:
        return { kind: inode.kind, ...metadata, major: inode.major, minor: inode.minor };
    }
  }

  #id(index: number): number {
    const id = this.#ids[index];
    if (id !== undefined) return id;
    throw damaged(`its owner is id ${index}, of which the image has ${this.#ids.length}`);
  }

  #assertType({ kind }: { kind: Node['kind'] }, { type }: { type: number }): void {
    if (TYPE[kind] === type) return;
    throw damaged(`its entry is of type ${type}, its inode of type ${TYPE[kind]}`);
  }
}

function damaged(what: string): RundleError {
  return new RundleError('E_FORMAT', what);
}
