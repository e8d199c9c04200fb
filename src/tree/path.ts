import { isRundleError, RundleError } from '../errors.js';
import { type ByteString, toDisplay } from './byte-string.js';
import { type Directory, emptyDirectory, type Node, type RegularFile } from './node.js';

/**
 * Paths inside a tree, resolved as a process would see them after chroot(2) into it: an absolute
 * link target starts at the tree's root, and `..` at the root stays there. Nothing here ever looks at
 * the file system of the machine that runs it.
 */

/** As many links as Linux follows before ELOOP (path_resolution(7)). */
const MAX_LINKS = 40;

/** Where a path leads: the directory that holds its last name, and the node there, if any. */
export interface Location {
  parent: Directory;
  /** Last name after following links; empty when the path is the root itself. */
  name: ByteString;
  node: Node | undefined;
  /** The real path, from the root, without a leading slash. */
  path: ByteString;
}

/** The names of a path, without empty ones and `.`; `..` stays. */
export function splitPath(path: ByteString): ByteString[] {
  return (path.split('/') as ByteString[]).filter((name) => name !== '' && name !== '.');
}

/**
 * Resolves `path` in `root`. Links in all names but the last are always followed, the last one only with
 * `followLast`. Gives undefined when a parent is missing.
 *
 * Throws E_FORMAT when a parent is not a directory, or after 40 links.
 */
export function locate(
  root: Directory,
  path: ByteString,
  options: { followLast?: boolean } = {},
): Location | undefined {
  const location = walk(root, path, options.followLast ?? false, () => undefined);
  return location;
}

/** The node at `path`, all links followed; undefined when there is none. Errors as `locate`. */
export function lookup(root: Directory, path: ByteString): Node | undefined {
  return locate(root, path, { followLast: true })?.node;
}

/**
 * The regular file at `path`, all links followed; undefined where there is something else, and where a path cannot be followed, as in a loop
 * of links.
 */
export function lookupFile(root: Directory, path: ByteString): RegularFile | undefined {
  let node: Node | undefined;
  try {
    node = lookup(root, path);
  } catch (error) {
    if (!isRundleError(error, 'E_FORMAT')) throw error;
  }
  return node?.kind === 'file' ? node : undefined;
}

/**
 * The directory at `path`, made with all missing parents by `make` (default: 0755, 0:0, mtime 0). Links are
 * followed, also those whose target is missing: then the target is made.
 *
 * Throws E_FORMAT when something that is not a directory stands in the way, or after 40 links.
 */
export function makeDirectories(
  root: Directory,
  path: ByteString,
  make: () => Directory = emptyDirectory,
): Directory {
  const location = walk(root, path, true, make);
  if (location?.node === undefined) {
    if (location === undefined) throw new Error('walk with a maker always arrives');
    const made = make();
    location.parent.children.set(location.name, made);
    return made;
  }
  if (location.node.kind !== 'directory') throw notADirectory(path, location.path);
  return location.node;
}

/**
 * Puts `node` at `path`; missing parents are made, links in them followed, and whatever stood under the last
 * name is replaced. Throws E_FORMAT as `makeDirectories`, and when the path is the root.
 */
export function insert(root: Directory, path: ByteString, node: Node): void {
  const location = walk(root, path, false, emptyDirectory);
  if (location === undefined || location.name === '') {
    throw new RundleError('E_FORMAT', `putting a file at ${shown(path)} in the image: no name`);
  }
  location.parent.children.set(location.name, node);
}

interface Step {
  directory: Directory;
  name: ByteString;
}

function walk(
  root: Directory,
  path: ByteString,
  followLast: boolean,
  makeParent: () => Directory | undefined,
): Location | undefined {
  // The directories that lead to where the walk stands, the root left out: `..` takes one away.
  const trail: Step[] = [];
  const pending = splitPath(path).reverse();
  let links = 0;
  for (;;) {
    const parent = trail.at(-1)?.directory ?? root;
    const name = pending.pop();
    if (name === undefined) return arrivedAt(root, trail);
    if (name === '..') {
      trail.pop();
      continue;
    }
    const node = parent.children.get(name);
    const last = pending.length === 0;
    if (node?.kind === 'symlink' && (!last || followLast)) {
      links += 1;
      if (links > MAX_LINKS) {
        throw new RundleError(
          'E_FORMAT',
          `resolving ${shown(path)} in the image: more than ${MAX_LINKS} symbolic links`,
        );
      }
      if (node.target.startsWith('/')) trail.length = 0;
      pending.push(...splitPath(node.target).reverse());
      continue;
    }
    if (last) {
      return { parent, name, node, path: pathOf(trail, name) };
    }
    if (node === undefined) {
      const made = makeParent();
      if (made === undefined) return undefined;
      parent.children.set(name, made);
      trail.push({ directory: made, name });
    } else if (node.kind === 'directory') {
      trail.push({ directory: node, name });
    } else {
      throw notADirectory(path, pathOf(trail, name));
    }
  }
}

/** The walk ended on a directory it already stands in: the root, or after `..` or a link to `/`. */
function arrivedAt(root: Directory, trail: Step[]): Location {
  const step = trail.at(-1);
  if (step === undefined) {
    return { parent: root, name: '' as ByteString, node: root, path: '' as ByteString };
  }
  const parent = trail.at(-2)?.directory ?? root;
  return {
    parent,
    name: step.name,
    node: step.directory,
    path: pathOf(trail.slice(0, -1), step.name),
  };
}

function pathOf(trail: Step[], name: ByteString): ByteString {
  return [...trail.map((step) => step.name), name].join('/') as ByteString;
}

function notADirectory(path: ByteString, obstacle: ByteString): RundleError {
  return new RundleError(
    'E_FORMAT',
    `resolving ${shown(path)} in the image: /${toDisplay(obstacle)} is not a directory`,
  );
}

function shown(path: ByteString): string {
  return path.startsWith('/') ? toDisplay(path) : `/${toDisplay(path)}`;
}
