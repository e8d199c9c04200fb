import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { RundleError, reasonOf } from '../errors.js';
import { type Architecture, ELF_MACHINE } from './architecture.js';

/** A launcher as it goes into a bundle. */
export interface Launcher {
  architecture: Architecture;
  bytes: Buffer;
  /** 64 lower-case hex digits. */
  sha256: string;
}

const SIZE_LIMIT = 16 << 20;
const ELF_HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const PT_INTERP = 3;
const EXECUTABLE_TYPES = [2, 3]; // ET_EXEC, ET_DYN (static-pie)

/** Where `npm run launchers` puts the launcher for an architecture. */
export function launcherPath(architecture: Architecture): string {
  return fileURLToPath(new URL(`../launchers/${architecture}`, import.meta.url));
}

/**
 * Reads a launcher and checks that it is a static ELF program for `architecture`. Throws E_LAUNCHER, also when
 * it has not been built.
 */
export async function loadLauncher(
  architecture: Architecture,
  path = launcherPath(architecture),
): Promise<Launcher> {
  const bytes = await read(architecture, path);
  const fault = staticElfFault(bytes, ELF_MACHINE[architecture]);
  if (fault !== undefined) throw unusable(architecture, path, fault);
  return { architecture, bytes, sha256: createHash('sha256').update(bytes).digest('hex') };
}

async function read(architecture: Architecture, path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > SIZE_LIMIT) throw new Error(`it has ${size} bytes`);
    return await readFile(path);
  } catch (error) {
    throw unusable(architecture, path, reasonOf(error), error);
  }
}

/** Why these bytes are no static 64-bit program for `machine`; undefined when they are one. */
function staticElfFault(bytes: Buffer, machine: number): string | undefined {
  if (bytes.length < ELF_HEADER_SIZE || bytes.toString('latin1', 0, 4) !== '\x7fELF') {
    return 'it is not an ELF file';
  }
  if (bytes[4] !== 2 || bytes[5] !== 1) return 'it is not a 64-bit little-endian ELF file';
  if (!EXECUTABLE_TYPES.includes(bytes.readUInt16LE(16))) return 'it is not a program';
  if (bytes.readUInt16LE(18) !== machine) {
    return `it is for machine ${bytes.readUInt16LE(18)}, not ${machine}`;
  }
  const table = bytes.readBigUInt64LE(32);
  const entrySize = bytes.readUInt16LE(54);
  const count = bytes.readUInt16LE(56);
  if (
    count === 0 ||
    entrySize < PROGRAM_HEADER_SIZE ||
    table + BigInt(entrySize * count) > BigInt(bytes.length)
  ) {
    return 'its program headers lie outside of it';
  }
  for (let number = 0; number < count; number++) {
    if (bytes.readUInt32LE(Number(table) + number * entrySize) === PT_INTERP) {
      return 'it is linked dynamically';
    }
  }
  return undefined;
}

function unusable(
  architecture: Architecture,
  path: string,
  reason: string,
  cause?: unknown,
): RundleError {
  return new RundleError(
    'E_LAUNCHER',
    `reading the launcher for ${architecture}, ${path}: ${reason}`,
    { cause, hint: 'build the launchers: npm run launchers' },
  );
}
