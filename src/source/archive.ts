import type { FileHandle } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type FileRange, openFile, systemReason, wholeFile } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import { detectCompression, SNIFF_LENGTH } from '../layer/compression.js';
import { indexArchives } from '../layer/index-archives.js';
import type { TarEntry } from '../layer/tar-entry.js';
import { TarReader } from '../layer/tar-reader.js';
import { fromText } from '../tree/byte-string.js';
import type { SourceContext } from './transport.js';

/** A tar archive whose members can be read where they lie. */
export interface Archive {
  /** The file as the user named it, or what the archive came from. */
  path: string;
  /** Where the contents of the member `name` are; links are followed. Undefined when there is no such file. */
  member(name: string): FileRange | undefined;
}

/** An image in an archive that is open. */
export interface ArchivedImage {
  archive: Archive;
  /** The source as the user wrote it, for messages. */
  source: string;
  /** What the manifest says of it. */
  transport: string;
  /** Which image of several. */
  reference?: string | undefined;
}

/** Enough for the header of a member and a small member itself. */
const WINDOW = 64 * 1024;
const MAX_LINKS = 16;

/**
 * Opens an archive that holds an image. A compressed one is uncompressed to the spool directory first; of a plain one only the headers are
 * read. `source` is for messages. Throws E_SOURCE, E_FORMAT, E_UNSUPPORTED, E_OUTPUT.
 */
export async function openArchive(
  location: string,
  source: string,
  context: SourceContext,
): Promise<Archive> {
  const open = () => readArchive(location, source, context);
  return context.shared?.once(`archive ${location}`, open) ?? open();
}

async function readArchive(
  location: string,
  source: string,
  context: SourceContext,
): Promise<Archive> {
  const where = `reading ${source}`;
  const file = await wholeFile(resolve(location), where);
  const { path, entries } = (await isPlain(file, where))
    ? { path: file.path, entries: await indexPlain(file, where) }
    : await indexCompressed(file, source, context);
  return archiveOf(location, path, entries);
}

/** The archive that `name` is for the user, with these members in the file `path`. */
export function archiveOf(name: string, path: string, entries: readonly TarEntry[]): Archive {
  const members = new Map(entries.map((entry) => [normal(entry.name), entry]));
  return { path: name, member: (member) => findMember(members, path, fromText(member)) };
}

async function isPlain(file: FileRange, where: string): Promise<boolean> {
  const { handle } = await openFile(file.path, where);
  try {
    const start = await readAt(handle, 0, SNIFF_LENGTH, where);
    return detectCompression(start, where) === 'none';
  } finally {
    await handle.close();
  }
}

async function indexCompressed(file: FileRange, source: string, context: SourceContext) {
  const job = { name: source, file, spool: join(context.spoolDirectory, 'archive.tar') };
  const [index] = await indexArchives([job], (_, done) => {
    context.onProgress?.({ phase: 'verify', name: source, done, total: file.size });
  });
  if (index?.path === undefined) throw new Error('one job has one result, and it was spooled');
  return { path: index.path, entries: index.entries };
}

async function indexPlain(file: FileRange, where: string): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  const reader = new TarReader(where, 0, (entry) => entries.push(entry));
  const { handle } = await openFile(file.path, where);
  try {
    let at = 0;
    while (at < file.size && reader.skippable !== Number.POSITIVE_INFINITY) {
      const passed = Math.min(reader.skippable, file.size - at);
      if (passed > 0) {
        reader.skip(passed);
        at += passed;
        continue;
      }
      const chunk = await readAt(handle, at, WINDOW, where);
      if (chunk.length === 0) break;
      reader.push(chunk);
      at += chunk.length;
    }
    reader.end();
    return entries;
  } finally {
    await handle.close();
  }
}

async function readAt(
  handle: FileHandle,
  position: number,
  length: number,
  where: string,
): Promise<Buffer> {
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    throw new RundleError('E_SOURCE', `${where}: ${systemReason(cause)}`, { cause });
  }
}

function findMember(
  members: ReadonlyMap<string, TarEntry>,
  path: string,
  name: string,
): FileRange | undefined {
  let wanted = normal(name);
  for (let links = 0; links <= MAX_LINKS; links += 1) {
    const entry = members.get(wanted);
    if (entry?.kind === 'symlink') {
      wanted = normal(`${wanted}/../${entry.linkName}`);
    } else if (entry?.kind === 'hard-link') {
      wanted = normal(entry.linkName);
    } else {
      return entry && rangeOf(entry, path);
    }
  }
  return undefined;
}

/** Undefined for what is no plain file; a sparse one would have several parts and no image tool writes it. */
function rangeOf(entry: TarEntry, path: string): FileRange | undefined {
  const [part, ...more] = entry.data;
  if (entry.kind !== 'file' || more.length > 0) return undefined;
  if (part === undefined) return entry.size === 0 ? { path, offset: 0, size: 0 } : undefined;
  return part.length === entry.size ? { path, offset: part.offset, size: part.length } : undefined;
}

/** Without `.`, empty and `..` components; the root cannot be left. */
function normal(name: string): string {
  const components: string[] = [];
  for (const component of name.split('/')) {
    if (component === '..') components.pop();
    else if (component !== '' && component !== '.') components.push(component);
  }
  return components.join('/');
}
