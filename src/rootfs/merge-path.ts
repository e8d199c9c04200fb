import { RundleError } from '../errors.js';
import { type ByteString, toDisplay } from '../tree/byte-string.js';
import { type Directory, emptyDirectory, type Node } from '../tree/node.js';

/** As many symbolic links as filepath-securejoin, which umoci and containerd resolve with, follows. */
const MAX_LINKS = 255;
/** Deepest directory: as many names as fit into the longest path, so that nothing that walks the tree overflows. */
const MAX_DEPTH = 2048;

/** One name on the way from the root: the node there, undefined when there is none. */
export interface Step {
  name: ByteString;
  node: Node | undefined;
}

/**
 * The names of an entry's path; `./` in front, doubled and trailing slashes count for nothing. Throws E_LAYER for an absolute name and
 * one that holds `..`; `subject` names layer and entry.
 */
export function entryPath(name: ByteString, subject: string): ByteString[] {
  if (name.startsWith('/')) {
    throw new RundleError('E_LAYER', `${subject}: its name is absolute`);
  }
  const components = splitName(name);
  if (components.includes('..' as ByteString)) {
    throw new RundleError('E_LAYER', `${subject}: its name holds ".."`);
  }
  return components;
}

/**
 * The names of a hard link's target, which is a name in the tree; a leading slash means the tree's root. Throws E_LAYER when
 * it leads out of the tree.
 */
export function targetPath(name: ByteString, subject: string): ByteString[] {
  const components: ByteString[] = [];
  for (const component of splitName(name)) {
    if (component !== '..') components.push(component);
    else if (components.pop() === undefined) {
      throw new RundleError(
        'E_LAYER',
        `${subject}: it is a hard link to ${toDisplay(name)}, outside of the tree`,
      );
    }
  }
  return components;
}

/** Without empty components and `.`. */
export function splitName(name: ByteString): ByteString[] {
  return (name.split('/') as ByteString[]).filter(
    (component) => component !== '' && component !== '.',
  );
}

/**
 * The way to the directory `components` with symbolic links followed inside the tree: an absolute target starts at the root and
 * `..` at the root stays there. Names that do not exist are taken as they are, as filepath-securejoin does. Throws E_LAYER after
 * 255 links, and for a tree deeper than 2048 directories.
 */
export function resolveDirectory(
  root: Directory,
  components: readonly ByteString[],
  subject: string,
): Step[] {
  const steps: Step[] = [];
  const pending = components.toReversed();
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '..') {
      steps.pop();
      continue;
    }
    const parent = steps.length === 0 ? root : steps.at(-1)?.node;
    const node = parent?.kind === 'directory' ? parent.children.get(name) : undefined;
    if (node?.kind === 'symlink') {
      links += 1;
      if (links > MAX_LINKS) {
        throw new RundleError(
          'E_LAYER',
          `${subject}: its path leads through more than ${MAX_LINKS} symbolic links`,
        );
      }
      if (node.target.startsWith('/')) steps.length = 0;
      pending.push(...splitName(node.target).toReversed());
      continue;
    }
    steps.push({ name, node });
    if (steps.length > MAX_DEPTH) {
      throw new RundleError('E_LAYER', `${subject}: it lies deeper than ${MAX_DEPTH} directories`);
    }
  }
  return steps;
}

/** The directory at the end of resolved `steps`; undefined when it does not exist or is something else. */
export function directoryAt(root: Directory, steps: readonly Step[]): Directory | undefined {
  const last = steps.length === 0 ? root : steps.at(-1)?.node;
  return last?.kind === 'directory' ? last : undefined;
}

/**
 * Makes what is missing of `steps`, as directories that no layer lists. Throws E_LAYER when something that is not a directory stands in
 * the way: umoci and containerd fail there too, since mkdir(2) gives ENOTDIR.
 */
export function makeSteps(root: Directory, steps: readonly Step[], subject: string): Directory {
  let directory = root;
  for (const { name } of steps) {
    const node = directory.children.get(name);
    if (node === undefined) {
      const made = emptyDirectory();
      directory.children.set(name, made);
      directory = made;
    } else if (node.kind === 'directory') {
      directory = node;
    } else {
      throw new RundleError(
        'E_LAYER',
        `${subject}: its parent ${toDisplay(name)} is a ${node.kind}, not a directory`,
      );
    }
  }
  return directory;
}
