import type { FileHandle } from 'node:fs/promises';
import { type FileRange, openFile, systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';

/**
 * The Singularity Image Format, as Apptainer and SingularityCE write it (github.com/sylabs/sif, pkg/sif): a header of 128 bytes, a
 * table of descriptors of 585 bytes, and data objects. All integers are little-endian and stand without padding.
 */
const HEADER_SIZE = 128;
const DESCRIPTOR_SIZE = 585;
/** A table is made with 48 descriptors, and grows with signatures and the like. */
const MAX_DESCRIPTORS = 4096;

/** Behind the line that lets a kernel start the image as a script. */
const MAGIC_AT = 32;
const MAGIC = 'SIF_MAGIC\0';
const VERSION_AT = 42;
const VERSION = '01';

const PARTITION = 0x4004;
const PRIMARY_SYSTEM = 2;

/** File systems of partitions, by their number. */
const SQUASHFS = 1;
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  2: 'ext3',
  3: 'an archive',
  4: 'raw data',
  5: 'encrypted SquashFS',
};

/** GOARCH by the two digits of a header or partition, where there is a launcher for it or it is common. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  '01': '386',
  '02': 'amd64',
  '03': 'arm',
  '04': 'arm64',
  '05': 'ppc64',
  '06': 'ppc64le',
  '11': 's390x',
  '12': 'riscv64',
};

/** The system partition of an image. */
export interface SystemPartition {
  /** Its SquashFS image. */
  range: FileRange;
  /** GOARCH, or the format's own number for one that has no name here. */
  architecture: string;
}

/** True when these first bytes of a file (at least 42) are those of a SIF image. */
export function isSif(start: Buffer): boolean {
  return start.toString('latin1', MAGIC_AT, MAGIC_AT + MAGIC.length) === MAGIC;
}

/**
 * Finds the primary system partition of the SIF image at `path`; `where` begins messages. Throws E_SOURCE when it cannot be read, E_FORMAT when
 * it is none or is damaged, E_UNSUPPORTED when it has no partition with SquashFS.
 */
export async function findSystemPartition(path: string, where: string): Promise<SystemPartition> {
  const { handle, size } = await openFile(path, where);
  try {
    return await find(handle, { path, offset: 0, size }, where);
  } catch (cause) {
    if (cause instanceof RundleError) throw cause;
    throw new RundleError('E_SOURCE', `${where}: reading it: ${systemReason(cause)}`, { cause });
  } finally {
    await handle.close();
  }
}

async function find(handle: FileHandle, file: FileRange, where: string): Promise<SystemPartition> {
  const damaged = (what: string) => new RundleError('E_FORMAT', `${where}: ${what}`);
  const header = Buffer.alloc(HEADER_SIZE);
  const { bytesRead } = await handle.read(header, 0, HEADER_SIZE, 0);
  if (bytesRead < HEADER_SIZE || !isSif(header)) throw damaged('it is no SIF image');
  const version = header.toString('latin1', VERSION_AT, VERSION_AT + 2);
  if (version !== VERSION) {
    throw new RundleError('E_UNSUPPORTED', `${where}: it is a SIF image of version ${version}`);
  }
  const count = Number(header.readBigInt64LE(88));
  const offset = Number(header.readBigInt64LE(96));
  if (!(count >= 0 && count <= MAX_DESCRIPTORS))
    throw damaged(`it says that it has ${count} parts`);
  const table = Buffer.alloc(count * DESCRIPTOR_SIZE);
  if (!(offset >= HEADER_SIZE && offset + table.length <= file.size)) {
    throw damaged(`its table would be at byte ${offset} of ${file.size}`);
  }
  const read = await handle.read(table, 0, table.length, offset);
  if (read.bytesRead < table.length) throw damaged('it became shorter while it was read');

  for (let at = 0; at < table.length; at += DESCRIPTOR_SIZE) {
    const partition = readPartition(table.subarray(at, at + DESCRIPTOR_SIZE));
    if (partition?.type !== PRIMARY_SYSTEM) continue;
    const { start, size, fileSystem, architecture } = partition;
    if (fileSystem !== SQUASHFS) {
      throw unsupported(
        where,
        `its system partition is ${FILE_SYSTEMS[fileSystem] ?? `file system ${fileSystem}`}, not SquashFS`,
      );
    }
    if (!(start >= HEADER_SIZE && size >= 0 && start + size <= file.size)) {
      throw damaged(
        `its system partition of ${size} bytes would be at byte ${start} of ${file.size}: it is cut off or damaged`,
      );
    }
    return { range: { path: file.path, offset: start, size }, architecture };
  }
  throw unsupported(where, 'it has no system partition');
}

/** Undefined for a descriptor that is not in use or of something else. */
function readPartition(descriptor: Buffer) {
  if (descriptor.readInt32LE(0) !== PARTITION || descriptor[4] === 0) return undefined;
  const digits = descriptor.toString('latin1', 209, 211);
  return {
    start: Number(descriptor.readBigInt64LE(17)),
    size: Number(descriptor.readBigInt64LE(25)),
    fileSystem: descriptor.readInt32LE(201),
    type: descriptor.readInt32LE(205),
    architecture: ARCHITECTURES[digits] ?? digits,
  };
}

function unsupported(where: string, what: string): RundleError {
  return new RundleError('E_UNSUPPORTED', `${where}: ${what}`, {
    hint: 'apptainer build --sandbox DIR FILE.sif writes its tree to a directory; build from dir:DIR',
  });
}
