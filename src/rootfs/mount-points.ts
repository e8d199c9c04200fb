import { isRundleError } from '../errors.js';
import { type ByteString, fromText } from '../tree/byte-string.js';
import { type Directory, emptyDirectory, memoryFile, type Omission } from '../tree/node.js';
import { locate, makeDirectories, splitPath } from '../tree/path.js';

/** Directories that the launcher mounts something on, and their modes. */
const DIRECTORIES: readonly (readonly [path: string, mode: number])[] = [
  ['proc', 0o555],
  ['sys', 0o555],
  ['dev', 0o755],
  ['tmp', 0o1777],
  ['run', 0o755],
  ['var/tmp', 0o1777],
  ['root', 0o700],
  ['home', 0o755],
];

/** Files that the launcher binds the host's, or its own, version over. */
const FILES: readonly string[] = [
  'etc/hosts',
  'etc/hostname',
  'etc/resolv.conf',
  'etc/machine-id',
  'etc/passwd',
  'etc/group',
  'etc/localtime',
];

/** A place in the image that something is mounted on when the bundle starts. */
export interface MountPoint {
  /** Absolute path in the image. */
  path: string;
  kind: 'directory' | 'file';
}

/**
 * Puts every mount point that a start needs into the tree where it is missing, so that the common start needs no writable
 * layer. What the image has is left as it is, whatever its type. A link whose target is missing stays; the directories
 * that its target needs are made, unless they lie under /run or /tmp, which are empty at every start.
 *
 * A mount point that cannot be made (a file stands in the way) is no error: the launcher says so when it matters.
 * Each such place is returned, for the list of what the bundle leaves out.
 */
export function addMountPoints(
  root: Directory,
  extra: readonly MountPoint[],
  time: number,
): Omission[] {
  const omissions: Omission[] = [];
  const wanted: [string, () => void][] = [
    ...DIRECTORIES.map(([path, mode]): [string, () => void] => [
      path,
      () => addDirectory(root, fromText(path), mode, time),
    ]),
    ...FILES.map((path): [string, () => void] => [path, () => addFile(root, fromText(path), time)]),
    ...extra.map(({ path, kind }): [string, () => void] => [
      path,
      () =>
        kind === 'file'
          ? addFile(root, fromText(path), time)
          : addDirectory(root, fromText(path), 0o755, time),
    ]),
  ];
  for (const [path, add] of wanted) {
    try {
      add();
    } catch (error) {
      if (!isRundleError(error, 'E_FORMAT')) throw error;
      const name = splitPath(fromText(path)).join('/') as ByteString;
      omissions.push({ path: name, what: 'mount point that the image has no room for' });
    }
  }
  return omissions;
}

function addDirectory(root: Directory, path: ByteString, mode: number, time: number): void {
  const location = locate(root, path, { followLast: true });
  if (location?.node !== undefined) return;
  if (leadsToVolatile(root, path)) return;
  const directory = makeDirectories(root, path, () => ({ ...emptyDirectory(), mtime: time }));
  directory.mode = mode;
}

function addFile(root: Directory, path: ByteString, time: number): void {
  const parent = path.slice(0, Math.max(path.lastIndexOf('/'), 0)) as ByteString;
  const place = locate(root, path);
  if (place?.node === undefined) {
    if (leadsToVolatile(root, parent)) return;
    const directory = makeDirectories(root, parent, () => ({ ...emptyDirectory(), mtime: time }));
    const name = path.slice(path.lastIndexOf('/') + 1) as ByteString;
    directory.children.set(
      name,
      memoryFile(new Uint8Array(), { mode: 0o644, uid: 0, gid: 0, mtime: time }),
    );
  } else if (place.node.kind === 'symlink') {
    const target = joined(place.path, place.node.target);
    const directory = target.slice(0, Math.max(target.lastIndexOf('/'), 0)) as ByteString;
    if (!leadsToVolatile(root, directory)) makeDirectories(root, directory);
  }
}

/** The path a link at `path` points to, `..` unresolved. */
function joined(path: ByteString, target: ByteString): ByteString {
  if (target.startsWith('/')) return target;
  return `${path.slice(0, Math.max(path.lastIndexOf('/'), 0))}/${target}` as ByteString;
}

/**
 * True when `path`, with `..` taken literally, or its existing part, lies under a directory that is a fresh tmpfs at every
 * start: what is made there would never be seen.
 */
function leadsToVolatile(root: Directory, path: ByteString): boolean {
  const names: ByteString[] = [];
  for (const name of splitPath(path)) {
    if (name === '..') names.pop();
    else names.push(name);
    const real = locate(root, names.join('/') as ByteString, { followLast: true })?.path;
    if (real !== undefined && /^(run|tmp|dev|proc|sys)\//.test(real)) return true;
  }
  return false;
}
