import { isRundleError, RundleError, reasonOf } from '../errors.js';
import { type ByteString, fromBytes, fromText, toBytes, toDisplay } from '../tree/byte-string.js';
import { readContent } from '../tree/content.js';
import type { Directory, Omission } from '../tree/node.js';
import { lookupFile } from '../tree/path.js';
import { type MountSpecification, parseMount } from './mount-specification.js';

/** More than this is no file that a person or Enroot wrote, in bytes. */
const LIMIT = 1024 * 1024;

/** What an image that Enroot made, or could start, says in its three files (NVIDIA/enroot doc/image-format.md). */
export interface EnrootImage {
  /** `KEY=VALUE`, from `/etc/environment`. */
  env: string[];
  /** The lines of `/etc/fstab`. */
  mounts: MountSpecification[];
  /** Lines that could not be taken over. */
  omissions: Omission[];
}

/**
 * Reads `/etc/environment` and `/etc/fstab` of a tree that has an `/etc/rc`, which is what makes it an Enroot image; undefined
 * for other trees: a system's own files of these names mean something else. Errors as `readContent`.
 */
export async function readEnrootImage(root: Directory): Promise<EnrootImage | undefined> {
  if (lookupFile(root, fromText('etc/rc')) === undefined) return undefined;
  const image: EnrootImage = { env: [], mounts: [], omissions: [] };
  for (const line of await linesOf(root, 'etc/environment', image.omissions)) {
    const entry = toText(line);
    if (entry !== undefined && entry.indexOf('=') > 0) image.env.push(entry);
    else image.omissions.push(leftOut('etc/environment', line, 'it is no KEY=VALUE in UTF-8'));
  }
  for (const line of await linesOf(root, 'etc/fstab', image.omissions)) {
    try {
      image.mounts.push(parseFstabLine(toText(line) ?? ''));
    } catch (error) {
      if (!isRundleError(error, 'E_USAGE')) throw error;
      image.omissions.push(leftOut('etc/fstab', line, reasonOf(error)));
    }
  }
  return image;
}

/**
 * A line is always separated by blanks here, also where `--mount` would see colons. Throws E_USAGE as `parseMount`.
 */
function parseFstabLine(line: string): MountSpecification {
  const fields = line.trim().split(/[ \t]+/);
  const [source = '', destination = source] = fields;
  if (!/^(\/|\$\{)/.test(destination)) {
    throw new RundleError('E_USAGE', `its destination "${destination}" is not absolute`);
  }
  if (!source.includes(':')) return parseMount(line);
  return parseMount(fields.map((field) => field.replaceAll(':', '\\:')).join(':'));
}

/** The lines of a file, without those that are empty or a comment; none where there is no such file. */
async function linesOf(
  root: Directory,
  path: string,
  omissions: Omission[],
): Promise<ByteString[]> {
  const file = lookupFile(root, fromText(path));
  if (file === undefined) return [];
  if (file.size > LIMIT) {
    omissions.push({
      path: fromText(path),
      what: `Enroot's file, because it has ${file.size} bytes`,
    });
    return [];
  }
  const lines = fromBytes(await readContent(file, 0, file.size)).split(/\r?\n/) as ByteString[];
  return lines.filter((line) => /^[ \t]*[^# \t]/.test(line));
}

/** Undefined when it is not UTF-8: the config of an image is text. */
function toText(line: ByteString): string | undefined {
  const text = toBytes(line).toString('utf8');
  return fromText(text) === line && !text.includes('\0') ? text : undefined;
}

function leftOut(path: string, line: ByteString, why: string): Omission {
  const shown = toDisplay(line.slice(0, 80) as ByteString);
  return { path: fromText(path), what: `the line "${shown}", because ${why}` };
}
