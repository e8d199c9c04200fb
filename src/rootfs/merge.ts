import { RundleError } from '../errors.js';
import type { TarEntry } from '../layer/tar-entry.js';
import { type ByteString, toDisplay } from '../tree/byte-string.js';
import type { ByteSource, Directory, Metadata, Node, Omission } from '../tree/node.js';
import { directoryAt, entryPath, makeSteps, resolveDirectory, targetPath } from './merge-path.js';
import { Touched } from './merge-touched.js';

/** A layer, or any tar archive of a file tree. */
export interface TreeArchive {
  /** For messages: "layer 2 of 3 (sha256:...)". */
  name: string;
  /** In the archive's order. */
  entries: readonly TarEntry[];
  /** The file that the entries' data offsets count in. */
  data: ByteSource;
  /** Whether `.wh.` names hide lower layers (OCI image spec, layer.md, "Whiteouts") or are plain names. */
  whiteouts: boolean;
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** AUFS' own bookkeeping, which says nothing about the tree. */
const AUFS = '.wh..wh.';

/**
 * Applies a layer to the tree below `root`, in place, as umoci and containerd apply it to a directory:
 * - an entry replaces what stands under its name, only a directory over a directory keeps the children;
 * - whiteouts hide lower layers, never the same layer, whatever the order;
 * - symbolic links in parent names are followed inside the tree; missing parents are 0755 0:0, mtime 0;
 * - a hard link shares the node of its target; one whose target comes later in the archive is made at the end.
 *
 * Returns what the archive holds that a tree cannot. Throws E_LAYER for an entry that cannot be applied
 * safely; the tree is then of no use.
 */
export function applyArchive(root: Directory, archive: TreeArchive): Omission[] {
  const merge = new Merge(root, archive);
  for (const entry of archive.entries) merge.apply(entry);
  merge.finish();
  return merge.omissions;
}

class Merge {
  readonly omissions: Omission[] = [];
  readonly #root: Directory;
  readonly #archive: TreeArchive;
  readonly #touched = new Touched();
  readonly #deferred: TarEntry[] = [];

  constructor(root: Directory, archive: TreeArchive) {
    this.#root = root;
    this.#archive = archive;
  }

  apply(entry: TarEntry): void {
    const subject = this.#subject(entry);
    const path = entryPath(entry.name, subject);
    const name = path.pop();
    if (name === undefined) {
      if (entry.kind !== 'directory') {
        throw new RundleError('E_LAYER', `${subject}: the root of the tree must be a directory`);
      }
      setMetadata(this.#root, entry);
      this.#note(entry);
      return;
    }
    if (this.#archive.whiteouts && this.#isWhiteout(path, name, subject)) return;
    if (entry.kind === 'hard-link') this.#link(entry, path, name, subject);
    else this.#put(path, name, subject, this.#nodeOf(entry));
    this.#note(entry);
  }

  /** Makes the links that came before their targets, each when the one it depends on is there. */
  finish(): void {
    let waiting = this.#deferred;
    while (waiting.length > 0) {
      const left = waiting.filter((entry) => !this.#linkNow(entry));
      const [first] = left;
      if (first !== undefined && left.length === waiting.length) {
        throw new RundleError(
          'E_LAYER',
          `${this.#subject(first)}: it is a hard link to ${toDisplay(first.linkName)}, which does not exist`,
        );
      }
      waiting = left;
    }
  }

  /** True when the name was a whiteout, which is then done with, or is to be ignored. */
  #isWhiteout(path: readonly ByteString[], name: ByteString, subject: string): boolean {
    if (name === OPAQUE) {
      const directory = this.#existing(path, subject);
      if (directory !== undefined) this.#touched.hideChildren(directory);
      return true;
    }
    if ([...path, name].some((component) => component.startsWith(AUFS))) return true;
    if (!name.startsWith(WHITEOUT)) return false;
    const hidden = name.slice(WHITEOUT.length) as ByteString;
    if (hidden === '' || hidden === '.' || hidden === '..') {
      throw new RundleError('E_LAYER', `${subject}: a whiteout must name a file`);
    }
    const directory = this.#existing(path, subject);
    if (directory !== undefined) this.#touched.hide(directory, hidden);
    return true;
  }

  #existing(path: readonly ByteString[], subject: string): Directory | undefined {
    return directoryAt(this.#root, resolveDirectory(this.#root, path, subject));
  }

  #put(path: readonly ByteString[], name: ByteString, subject: string, node: Node): void {
    const steps = resolveDirectory(this.#root, path, subject);
    const parent = makeSteps(this.#root, steps, subject);
    const old = parent.children.get(name);
    if (old?.kind === 'directory' && node.kind === 'directory') setMetadata(old, node);
    else parent.children.set(name, node);
    this.#touched.add(this.#root, steps, name);
  }

  #link(entry: TarEntry, path: readonly ByteString[], name: ByteString, subject: string): void {
    const target = this.#target(entry, subject);
    if (target !== undefined) {
      this.#put(path, name, subject, target);
      return;
    }
    // What the link replaces goes now: a later entry of the same name is the one that stays.
    this.#existing(path, subject)?.children.delete(name);
    this.#deferred.push(entry);
  }

  /** False when the target is still missing. */
  #linkNow(entry: TarEntry): boolean {
    const subject = this.#subject(entry);
    const path = entryPath(entry.name, subject);
    const name = path.pop() as ByteString;
    if (this.#existing(path, subject)?.children.has(name)) return true;
    const target = this.#target(entry, subject);
    if (target === undefined) return false;
    this.#put(path, name, subject, target);
    return true;
  }

  /** The node a hard link shares. A symbolic link as the last name is itself the target. */
  #target(entry: TarEntry, subject: string): Node | undefined {
    const path = targetPath(entry.linkName, subject);
    const name = path.pop();
    const node = name && this.#existing(path, subject)?.children.get(name);
    if (name !== undefined && node === undefined) return undefined;
    if (!node || node.kind === 'directory') {
      throw new RundleError(
        'E_LAYER',
        `${subject}: it is a hard link to the directory ${toDisplay(entry.linkName)}`,
      );
    }
    return node;
  }

  #nodeOf(entry: TarEntry): Node {
    const metadata = metadataOf(entry);
    switch (entry.kind) {
      case 'directory':
        return { kind: 'directory', ...metadata, children: new Map() };
      case 'symlink':
        if (entry.linkName === '') {
          throw new RundleError(
            'E_LAYER',
            `${this.#subject(entry)}: a symbolic link without target`,
          );
        }
        return { kind: 'symlink', ...metadata, target: entry.linkName };
      case 'character-device':
      case 'block-device':
        return { kind: entry.kind, ...metadata, major: entry.major, minor: entry.minor };
      case 'fifo':
        return { kind: 'fifo', ...metadata };
      default: {
        const { data } = this.#archive;
        const extents = entry.data.map((part) => ({ ...part, data }));
        return { kind: 'file', ...metadata, size: entry.size, extents };
      }
    }
  }

  #note(entry: TarEntry): void {
    if (entry.dropped === undefined) return;
    const path = entryPath(entry.name, '').join('/') as ByteString;
    this.omissions.push(...entry.dropped.map((what) => ({ path, what })));
  }

  #subject(entry: TarEntry): string {
    const name = toDisplay(entry.name.slice(0, 300) as ByteString);
    return `applying ${this.#archive.name}: the entry ${name}`;
  }
}

function metadataOf({ mode, uid, gid, mtime, xattrs }: Metadata): Metadata {
  return { mode, uid, gid, mtime, ...(xattrs !== undefined && { xattrs }) };
}

/** Takes over all of `from`, its lack of extended attributes included. */
function setMetadata(directory: Directory, from: Metadata): void {
  delete directory.xattrs;
  Object.assign(directory, metadataOf(from));
}
