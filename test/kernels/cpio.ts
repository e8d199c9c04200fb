import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** A file of an initramfs, owned by root. */
export interface Entry {
  /** Path from the root, without a leading slash. Directories above it are made. */
  path: string;
  /** Type and permissions as in `st_mode`. */
  mode: number;
  /** Bytes of a regular file, target of a symbolic link. */
  data?: Buffer;
}

const DIRECTORY = 0o040000;
const FILE = 0o100000;
const LINK = 0o120000;

export const directory = (path: string, permissions = 0o755): Entry => ({
  path,
  mode: DIRECTORY | permissions,
});

export const file = (path: string, data: Buffer | string, permissions = 0o644): Entry => ({
  path,
  mode: FILE | permissions,
  data: Buffer.from(data),
});

export const link = (path: string, target: string): Entry => ({
  path,
  mode: LINK | 0o777,
  data: Buffer.from(target),
});

/** What lies at `source` on this machine, with all that is below it, to be found at `path` in the initramfs. */
export function copied(source: string, path: string): Entry[] {
  const status = lstatSync(source);
  if (status.isSymbolicLink()) return [link(path, readlinkSync(source))];
  if (status.isFile()) return [file(path, readFileSync(source), status.mode & 0o7777)];
  if (!status.isDirectory()) return [];
  const below = readdirSync(source).flatMap((name) =>
    copied(join(source, name), `${path}/${name}`),
  );
  return [directory(path, status.mode & 0o7777), ...below];
}

/** The paths of the directories above `path`, outermost first. */
function above(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

const padding = (length: number) => Buffer.alloc(-length & 3);

function record(entry: Entry, inode: number): Buffer[] {
  const name = Buffer.from(`${entry.path}\0`);
  const data = entry.data ?? Buffer.alloc(0);
  const fields = [inode, entry.mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  const head = Buffer.concat([Buffer.from(header), name]);
  return [head, padding(head.length), data, padding(data.length)];
}

/** An archive of `entries` in the format `newc`, as Documentation/driver-api/early-userspace of Linux describes it. */
export function cpio(entries: readonly Entry[]): Buffer {
  const all = new Map<string, Entry>();
  for (const entry of entries) {
    for (const path of above(entry.path)) {
      if (!all.has(path)) all.set(path, directory(path));
    }
    all.set(entry.path, entry);
  }
  const records = [...all.values()].flatMap((entry, index) => record(entry, index + 1));
  return Buffer.concat([...records, ...record({ path: 'TRAILER!!!', mode: 0 }, 0)]);
}
