import { type ByteString, fromText } from '../tree/byte-string.js';
import { fetchContent, holdContent, readContent } from '../tree/content.js';
import type { Directory, Node, RegularFile } from '../tree/node.js';
import { lookup } from '../tree/path.js';
import { tallyTree } from '../tree/tally.js';
import { readElfNeeds } from './elf.js';

/**
 * The files that every start touches: the program, its interpreter, its loader and libraries. Stored
 * uncompressed at the front of the payload they cost no decoding, which is most of the time that a small
 * program takes to start from a compressed tree.
 */

/** Where loaders look without being told (ld.so(8), ld-musl), multi-arch directories included. */
const LIBRARY_DIRECTORIES = [
  ...['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu'],
  ...['/lib/aarch64-linux-gnu', '/usr/lib/aarch64-linux-gnu'],
  ...['/lib64', '/usr/lib64', '/lib', '/usr/lib', '/usr/local/lib'],
].map((path) => fromText(path));

/**
 * Bytes that are stored uncompressed at most: enough for a C library with its loader, 1.1 MB more of file. Of a small
 * image only a share, which a small C library still fits into.
 */
export const STARTUP_LIMIT = 2560 * 1024;
const SHARE = 1 / 8;

/** What every start reads besides programs: the launcher itself looks the caller up in the last two. */
const SMALL_FILES = ['/etc/ld.so.cache', '/etc/passwd', '/etc/group'].map((path) => fromText(path));

/** What programs have in common: the loader and the C library are what this one needs. */
const SHELL = fromText('/bin/sh');

export interface StartupPrograms {
  /** The entrypoint's and cmd's first words, and `/bin/sh` when a script runs. */
  programs: readonly ByteString[];
  /** The image's PATH, for words without a slash. */
  searchPath: ByteString;
}

/**
 * The startup files of `root`, each once and held in memory as far as they come from layers: what every start reads, then programs and what they need; together at
 * most `limit` bytes: one that does not fit is left out, but not what it needs. What is missing or not ELF is
 * passed over.
 */
export async function startupFiles(
  root: Directory,
  { programs, searchPath }: StartupPrograms,
  limit = Math.min(STARTUP_LIMIT, Math.floor(tallyTree(root).contentBytes * SHARE)),
): Promise<RegularFile[]> {
  const seen = new Set<RegularFile>();
  const found: RegularFile[] = [];
  let room = limit;
  const shell = regularFile(root, SHELL);
  const known = programs.map((program) => findProgram(root, program, searchPath));
  const small = SMALL_FILES.map((path) => regularFile(root, path));
  await fetch([shell, ...small, ...known]);
  const common = shell === undefined ? [] : await filesNeededBy(root, shell, searchPath);
  const pending = [...small, ...common, ...known].reverse();
  while (pending.length > 0) {
    const file = pending.pop();
    if (file === undefined || seen.has(file)) continue;
    seen.add(file);
    if (file.size <= room) {
      found.push(file);
      room -= file.size;
    }
    const needed = await filesNeededBy(root, file, searchPath);
    pending.push(...needed.reverse());
  }
  await fetchContent(found);
  for (const file of found) await holdContent(file);
  return found;
}

function fetch(files: readonly (RegularFile | undefined)[]): Promise<void> {
  return fetchContent(files.filter((file) => file !== undefined));
}

async function filesNeededBy(
  root: Directory,
  file: RegularFile,
  searchPath: ByteString,
): Promise<(RegularFile | undefined)[]> {
  const script = await interpreterOf(file);
  if (script !== undefined) return [findProgram(root, script, searchPath)];
  const needs = await readElfNeeds(file);
  if (needs === undefined) return [];
  const directories = [...needs.searchPath, ...LIBRARY_DIRECTORIES];
  const needed = [
    needs.interpreter === undefined ? undefined : regularFile(root, needs.interpreter),
    ...needs.needed.map((name) => findIn(root, directories, name)),
  ];
  await fetch(needed);
  return needed;
}

/** The program of a `#!` line (execve(2)). */
async function interpreterOf(file: RegularFile): Promise<ByteString | undefined> {
  const start = (await readContent(file, 0, 256)).toString('latin1');
  const match = /^#![ \t]*([^ \t\n\0]+)(?:[ \t]+([^ \t\n\0]+))?/.exec(start);
  if (match === null) return undefined;
  const [, program = '', argument] = match;
  const isEnv = program.endsWith('/env') && argument !== undefined && !argument.startsWith('-');
  return (isEnv ? argument : program) as ByteString;
}

function findProgram(
  root: Directory,
  program: ByteString,
  searchPath: ByteString,
): RegularFile | undefined {
  if (program.includes('/')) return regularFile(root, program);
  return findIn(root, searchPath.split(':') as ByteString[], program);
}

function findIn(
  root: Directory,
  directories: readonly ByteString[],
  name: ByteString,
): RegularFile | undefined {
  if (name === '') return undefined;
  for (const directory of directories) {
    const file = regularFile(root, `${directory}/${name}` as ByteString);
    if (file !== undefined) return file;
  }
  return undefined;
}

function regularFile(root: Directory, path: ByteString): RegularFile | undefined {
  let node: Node | undefined;
  try {
    node = lookup(root, path);
  } catch {
    // A loop of links, or a file where a directory should be: the start will say so, not the build.
    return undefined;
  }
  return node?.kind === 'file' ? node : undefined;
}
