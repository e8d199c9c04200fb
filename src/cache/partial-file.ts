import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, isDigest } from '../oci/digest.js';
import { isOwner, lifeOf, type Owner, thisProcess, uniquePart } from './owner.js';

/** A file of another machine that has not grown for so long is left alone no more. Milliseconds. */
const SILENCE = 60_000;

/** A blob that is not complete. Its name says of which blob, since when, and by whom: `sha256-HEX.TIME.OWNER.UNIQUE`. */
export interface PartialFile {
  path: string;
  digest: Digest;
  owner: Owner;
  /** Who began first has the smaller one. */
  order: string;
  size: number;
  /** Time of the last write, in milliseconds since 1970. */
  written: number;
  /**
   * `written`: somebody is writing to it; `free`: its writer is known to be gone, so that renaming it gives it to a new one;
   * `silent`: its writer is on another machine and seems to be gone.
   */
  state: 'written' | 'free' | 'silent';
}

const NAME = /^(sha256|sha512)-([0-9a-f]+)\.(\d{15})\.([0-9a-z-]+)\.([0-9a-f]{12})$/;

/** Names of files that this process writes to now: it may have let go of others that bear its name. */
const beingWritten = new Set<string>();

/** A new name for a partial file of `digest`, for this process or for nobody. */
export function newName(directory: string, digest: Digest, owner: Owner): string {
  const time = String(Date.now()).padStart(15, '0');
  const name = `${digest.replace(':', '-')}.${time}.${owner}.${uniquePart()}`;
  return join(directory, name);
}

/** Notes that this process writes to `path`. */
export function startWriting(path: string): void {
  beingWritten.add(path);
}

/** Notes that it does no more. */
export function stopWriting(path: string): void {
  beingWritten.delete(path);
}

/** The order of a name made by `newName`. */
export function orderOf(path: string): string {
  const parts = path.split('.');
  return `${parts.at(-3)}.${parts.at(-1)}`;
}

/** The partial files in `directory`, of one digest or of all. Whatever else lies there is passed over. Throws system errors. */
export function listPartials(directory: string, digest?: Digest): PartialFile[] {
  const files: PartialFile[] = [];
  for (const name of readdirSync(directory)) {
    const [, algorithm, hex, , owner = ''] = NAME.exec(name) ?? [];
    const found = `${algorithm}:${hex}`;
    if (!isDigest(found) || !isOwner(owner)) continue;
    if (digest !== undefined && found !== digest) continue;
    const path = join(directory, name);
    // It may be gone by now.
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status?.isFile() !== true) continue;
    const { size, mtimeMs: written } = status;
    const state = stateOf(path, owner, written);
    files.push({ path, digest: found, owner, order: orderOf(path), size, written, state });
  }
  return files;
}

function stateOf(path: string, owner: Owner, written: number): PartialFile['state'] {
  if (owner === thisProcess()) return beingWritten.has(path) ? 'written' : 'free';
  const life = lifeOf(owner);
  if (life === 'unknown') return Date.now() - written < SILENCE ? 'written' : 'silent';
  return life === 'alive' ? 'written' : 'free';
}
