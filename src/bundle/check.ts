import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { isRundleError } from '../errors.js';
import { FOOTER_SIZE } from './footer.js';
import { openBundle, readAt, readLayout, withBundle } from './read.js';
import { type Section, sectionName } from './section.js';

/** Something that is not as it was written. */
export interface BundleFault {
  /** The section's name, `padding`, or `bundle`. */
  part: string;
  /** For people. */
  what: string;
}

const CHUNK = 1 << 20;
const ZEROS = Buffer.alloc(CHUNK);

/**
 * Hashes every section of the bundle at `path` and verifies that all bytes between sections, table and footer are
 * zero. `onProgress` is told the bytes looked at so far and the size of the file. Returns what is wrong, in the
 * order of the file, empty when nothing is; throws E_SOURCE when the file cannot be read.
 */
export async function checkBundle(
  path: string,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<BundleFault[]> {
  try {
    const faults = await withBundle(path, (handle) => checkContents(handle, path, onProgress));
    // What the hashes do not cover: that the parts say what parts of a bundle must say.
    if (faults.length === 0) await openBundle(path);
    return faults;
  } catch (error) {
    if (!isRundleError(error, 'E_BUNDLE')) throw error;
    return [{ part: 'bundle', what: error.message }];
  }
}

async function checkContents(
  handle: FileHandle,
  path: string,
  onProgress: (done: number, total: number) => void,
): Promise<BundleFault[]> {
  const { footer, sections } = await readLayout(handle, path);
  const faults: BundleFault[] = [];
  const scan = async (start: number, end: number, take: (bytes: Buffer) => void) => {
    for (let at = start; at < end; at += CHUNK) {
      take(await readAt(handle, at, Math.min(CHUNK, end - at), path));
      onProgress(Math.min(at + CHUNK, end), footer.fileSize);
    }
  };

  const table = { offset: footer.tableOffset, size: footer.tableSize };
  const parts: (Section | typeof table)[] = [...sections];
  const after = sections.findIndex(({ offset }) => offset >= table.offset + table.size);
  parts.splice(after === -1 ? parts.length : after, 0, table);

  let end = 0;
  const padding = async (next: number) => {
    let bad: number | undefined;
    let at = end;
    await scan(end, next, (bytes) => {
      if (!bytes.equals(ZEROS.subarray(0, bytes.length))) {
        bad ??= at + bytes.findIndex((byte) => byte !== 0);
      }
      at += bytes.length;
    });
    if (bad !== undefined) faults.push({ part: 'padding', what: `the byte at ${bad} is not zero` });
  };
  for (const part of parts) {
    await padding(part.offset);
    end = part.offset + part.size;
    if (!('kind' in part)) continue; // readLayout has hashed the table
    const hash = createHash('sha256');
    await scan(part.offset, end, (bytes) => hash.update(bytes));
    if (hash.digest('hex') !== part.sha256) {
      const what = `its ${part.size} bytes at ${part.offset} do not have the SHA-256 in the section table`;
      faults.push({ part: sectionName(part), what });
    }
  }
  await padding(footer.fileSize - FOOTER_SIZE);
  onProgress(footer.fileSize, footer.fileSize);
  return faults;
}
