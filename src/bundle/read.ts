import { type FileHandle, open } from 'node:fs/promises';
import { isRundleError, RundleError, reasonOf } from '../errors.js';
import { ELF_MACHINE } from './architecture.js';
import { damaged, wrongSize } from './damage.js';
import { decodeFooter, FOOTER_SIZE, type Footer, hasFooterMagic } from './footer.js';
import { BLOCK, statedSize } from './header.js';
import { decodeLaunchConfig, LAUNCH_CONFIG_LIMIT, type LaunchConfig } from './launch-config.js';
import { decodeManifest, MANIFEST_LIMIT, type Manifest } from './manifest.js';
import { SECTION_KIND, type Section, sectionName } from './section.js';
import { decodeTable } from './table.js';

/** A bundle file's own account of itself, checked for bounds; section contents are not hashed. */
export interface Bundle {
  path: string;
  /** Bytes of the file. */
  size: number;
  /** Ascending by offset. */
  sections: readonly Section[];
  /** One per architecture, in the order of the file. */
  launchConfigs: readonly LaunchConfig[];
  manifest: Manifest;
}

/** Where the parts of an open bundle file are. */
export interface BundleLayout {
  footer: Footer;
  sections: readonly Section[];
}

/**
 * Reads footer, table, launch configs and manifest of the bundle at `path`. Throws E_SOURCE when the file cannot
 * be read and E_BUNDLE when it is damaged (a truncated or extended file is told with both sizes), of an unknown
 * major version, or needs a section that is not known.
 */
export async function openBundle(path: string): Promise<Bundle> {
  return withBundle(path, async (handle) => {
    const { footer, sections } = await readLayout(handle, path);
    const launchConfigs: LaunchConfig[] = [];
    for (const section of sections) {
      if (section.kind !== SECTION_KIND.launchConfig) continue;
      const bytes = await readBounded(handle, section, LAUNCH_CONFIG_LIMIT, path);
      launchConfigs.push(checkConfig(decodeLaunchConfig(bytes, path), section, sections, path));
    }
    if (launchConfigs.length === 0) throw damaged(path, 'it has no launch config');
    const manifest = sections.find(({ kind }) => kind === SECTION_KIND.manifest);
    if (manifest === undefined) throw damaged(path, 'it has no manifest');
    const bytes = await readBounded(handle, manifest, MANIFEST_LIMIT, path);
    return {
      path,
      size: footer.fileSize,
      sections,
      launchConfigs,
      manifest: decodeManifest(bytes, path),
    };
  });
}

/** The bytes of one section of the bundle at `path`, at most `limit`. Throws E_SOURCE and E_BUNDLE. */
export async function readSection(path: string, section: Section, limit: number): Promise<Buffer> {
  return withBundle(path, (handle) => readBounded(handle, section, limit, path));
}

/** Runs `action` with the file open for reading. Throws E_SOURCE when the system refuses. */
export async function withBundle<T>(
  path: string,
  action: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    if (!(await handle.stat()).isFile()) throw new Error('it is no regular file');
    return await action(handle);
  } catch (cause) {
    if (isRundleError(cause)) throw cause;
    throw new RundleError('E_SOURCE', `reading ${path}: ${reasonOf(cause)}`, { cause });
  } finally {
    await handle?.close();
  }
}

/** Reads footer and section table. Throws E_BUNDLE. */
export async function readLayout(handle: FileHandle, path: string): Promise<BundleLayout> {
  const { size } = await handle.stat();
  const tail = await readAt(
    handle,
    Math.max(0, size - FOOTER_SIZE),
    Math.min(size, FOOTER_SIZE),
    path,
  );
  if (!hasFooterMagic(tail)) {
    // What the file ends with is no footer: the header knows how long it was.
    const stated = statedSize(await readAt(handle, 0, Math.min(size, BLOCK), path));
    if (stated !== undefined && stated !== size) throw wrongSize(path, size, stated);
  }
  const footer = decodeFooter(tail, size, path);
  const table = await readAt(handle, footer.tableOffset, footer.tableSize, path);
  return { footer, sections: decodeTable(table, footer, path) };
}

/** Exactly `length` bytes at `offset`. Throws E_BUNDLE when the file ends before. */
export async function readAt(
  handle: FileHandle,
  offset: number,
  length: number,
  path: string,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) throw damaged(path, `the file ends at ${offset + done} while it is read`);
    done += bytesRead;
  }
  return bytes;
}

async function readBounded(
  handle: FileHandle,
  section: Section,
  limit: number,
  path: string,
): Promise<Buffer> {
  if (section.size > limit) {
    throw damaged(
      path,
      `the ${sectionName(section)} has ${section.size} bytes, at most ${limit} are allowed`,
    );
  }
  return readAt(handle, section.offset, section.size, path);
}

function checkConfig(
  config: LaunchConfig,
  section: Section,
  sections: readonly Section[],
  path: string,
): LaunchConfig {
  if (ELF_MACHINE[config.architecture] !== section.machine) {
    throw damaged(path, `the ${sectionName(section)} says that it is for ${config.architecture}`);
  }
  const payload = { kind: SECTION_KIND.payload, machine: 0, index: config.payload };
  if (!sections.some((one) => sectionName(one) === sectionName(payload))) {
    throw damaged(path, `the ${sectionName(section)} needs the ${sectionName(payload)}`);
  }
  return config;
}
