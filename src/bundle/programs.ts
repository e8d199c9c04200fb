import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { RundleError, reasonOf } from '../errors.js';
import { integer, listFaults, object, validate } from '../schema.js';
import type { Architecture } from './architecture.js';
import {
  type License,
  licenseSchema,
  type ProgramManifest,
  programDescription,
} from './manifest.js';

/** Most bytes that an auxiliary program has; the launcher refuses a bigger one. */
export const PROGRAM_LIMIT = 4 << 20;

/** What stub/proot/pack.mjs writes beside the program. */
const descriptionSchema = object({
  ...programDescription,
  unpackedSize: v.pipe(integer, v.gtValue(0), v.maxValue(PROGRAM_LIMIT)),
  licenses: v.array(licenseSchema),
});

/** PRoot for one architecture, as it goes into a bundle. */
export interface AuxiliaryProgram {
  architecture: Architecture;
  /** A static ELF program in one zstd frame that states its content size. */
  frame: Buffer;
  /** Of the frame: 64 lower-case hex digits. */
  sha256: string;
  description: v.InferOutput<typeof descriptionSchema>;
}

/** Where `npm run launchers` puts auxiliary programs: `ARCH/proot.zst` and `ARCH/proot.json`. */
export function auxiliaryDirectory(): string {
  return fileURLToPath(new URL('../auxiliary', import.meta.url));
}

/**
 * Reads PRoot for `architecture`; undefined when it has not been built. Throws E_LAUNCHER for what is no such
 * program.
 */
export async function loadProot(
  architecture: Architecture,
  directory = auxiliaryDirectory(),
): Promise<AuxiliaryProgram | undefined> {
  const path = join(directory, architecture, 'proot.zst');
  try {
    const frame = await readFile(path).catch((error) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (frame === undefined) return undefined;
    const text = await readFile(join(directory, architecture, 'proot.json'), 'utf8');
    const validated = validate(descriptionSchema, JSON.parse(text));
    if (!validated.valid)
      throw new Error(`proot.json: ${listFaults(validated.faults, 'document')}`);
    const description = validated.value;
    if (contentSize(frame) !== description.unpackedSize) {
      throw new Error(`it is not a zstd frame of ${description.unpackedSize} bytes`);
    }
    const sha256 = createHash('sha256').update(frame).digest('hex');
    return { architecture, frame, sha256, description };
  } catch (cause) {
    throw new RundleError(
      'E_LAUNCHER',
      `reading PRoot for ${architecture}, ${path}: ${reasonOf(cause)}`,
      { cause, hint: 'build it again: npm run launchers' },
    );
  }
}

/** What a zstd frame says that it holds, in bytes (RFC 8878, 3.1.1.1); undefined when it is none or does not say. */
function contentSize(frame: Buffer): number | undefined {
  if (frame.length < 18 || frame.readUInt32LE(0) !== 0xfd2fb528) return undefined;
  const descriptor = frame.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? frame.readUInt8(at) : undefined;
    case 1:
      return frame.readUInt16LE(at) + 256;
    case 2:
      return frame.readUInt32LE(at);
    default:
      return Number(frame.readBigUInt64LE(at));
  }
}

/** What the manifest says of the programs: nothing when there are none. */
export function describePrograms(programs: readonly AuxiliaryProgram[]): {
  programs?: ProgramManifest[];
} {
  const [first] = programs;
  if (first === undefined) return {};
  const { name, version, license, source } = first.description;
  const sections = programs.map(({ architecture, frame, sha256, description }) => [
    architecture,
    { size: frame.length, sha256, unpackedSize: description.unpackedSize },
  ]);
  return {
    programs: [{ name, version, license, source, sections: Object.fromEntries(sections) }],
  };
}

/** The licences of all that is in the programs, each once. */
export function programLicenses(programs: readonly AuxiliaryProgram[]): License[] {
  const licenses = programs.flatMap(({ description }) => description.licenses);
  const known = new Set<string>();
  return licenses.filter(({ name, version }) => {
    const key = JSON.stringify([name, version]);
    return !known.has(key) && known.add(key);
  });
}
