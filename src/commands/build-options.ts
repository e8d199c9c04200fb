import { readFile } from 'node:fs/promises';
import { systemReason } from '../blob/file-range.js';
import type { BuildRequest } from '../build.js';
import type { Changes } from '../build-changes.js';
import { RundleError } from '../errors.js';
import { parsePlatform } from '../oci/platform.js';
import { parseRequirements } from '../requirement/bundle-requirements.js';
import { parseCopy } from '../rootfs/copy.js';
import { parseMount } from '../rootfs/mount-specification.js';
import { DEFAULT_BLOCK_SIZE, DEFAULT_LEVEL } from '../squashfs/options.js';
import { CACHE_OPTIONS, type CacheValues } from './cache-options.js';
import { type Environment, variableValue } from './environment.js';
import type { OptionRow } from './option.js';
import { outputName } from './output-name.js';
import { REGISTRY_OPTIONS, type RegistryValues } from './registry-access.js';

const OUTPUT = 'Output';
const PROGRAM = 'Program';
const FILES = 'Files';
const PAYLOAD = 'Image and payload';

/** Every option of `rundle build`, in the order of its help. */
export const BUILD_OPTIONS: readonly OptionRow[] = [
  {
    flags: '-o, --output <FILE.run>',
    text: 'the bundle to write; by default named after the source, in the current directory',
    group: OUTPUT,
  },
  { flags: '-f, --force', text: 'replace an existing file', group: OUTPUT },
  { flags: '-q, --quiet', text: 'print nothing but errors', group: OUTPUT },
  {
    flags: '--json',
    text: 'print one JSON object about the result, errors as JSON too',
    group: OUTPUT,
  },
  {
    flags: '--entrypoint <WORDS>',
    text: "replace the entrypoint: a JSON array, or one word; drops the image's cmd, as Docker does",
    group: PROGRAM,
  },
  {
    flags: '--cmd <WORDS>',
    text: 'replace the cmd: a JSON array, or one word',
    group: PROGRAM,
  },
  {
    flags: '--rc <FILE>',
    text: 'start through this script, which becomes /etc/rc of the image',
    group: PROGRAM,
  },
  {
    flags: '-e, --env <KEY[=VALUE]>',
    text: 'set a variable; without =VALUE take it from your own environment',
    group: PROGRAM,
    repeatable: true,
  },
  {
    flags: '--workdir <DIR>',
    text: 'directory of the image to start in',
    group: PROGRAM,
  },
  {
    flags: '--copy <SRC:DST>',
    text: 'copy a file or a directory into the image; DST/ with a slash copies into DST',
    group: FILES,
    repeatable: true,
  },
  {
    flags: '-m, --mount <SRC:DST[:OPTIONS]>',
    text: 'show a file or directory of the host inside whenever the bundle runs; also as an fstab line',
    group: FILES,
    repeatable: true,
  },
  {
    flags: '--mount-home',
    text: 'show the home directory of whoever runs the bundle',
    group: FILES,
  },
  {
    flags: '--mount-cwd',
    text: 'show the directory the bundle is run from, and start in it',
    group: FILES,
  },
  {
    flags: '-t, --target <DIR>',
    text: 'where the bundle keeps its tree when run with --keep; may hold ${VAR}',
    group: FILES,
  },
  {
    flags: '--require <NEED>',
    text: 'what the host must have, such as kernel>=5.11, cpu=avx2 or gpu; none drops what the image asks for',
    group: PROGRAM,
    repeatable: true,
  },
  {
    flags: '--label <KEY=VALUE>',
    text: 'add or replace a label',
    group: PAYLOAD,
    repeatable: true,
  },
  {
    flags: '-d, --desc <TEXT>',
    text: 'a description, shown by --info and inspect',
    group: PAYLOAD,
  },
  {
    flags: '--platform <OS/ARCH[/VARIANT],...>',
    text: "image to take from an index; several make one bundle for all; default: linux and this machine's architecture",
    group: PAYLOAD,
  },
  {
    flags: '--level <N>',
    text: `zstd level, 1 to 22; default ${DEFAULT_LEVEL}; given, nothing that is compressed already is copied`,
    group: PAYLOAD,
  },
  {
    flags: '--block-size <SIZE>',
    text: `4K to 1M, a power of two; default ${formatSize(DEFAULT_BLOCK_SIZE)}`,
    group: PAYLOAD,
  },
  ...REGISTRY_OPTIONS,
  ...CACHE_OPTIONS,
];

/** The values of BUILD_OPTIONS as commander gives them. */
export interface BuildValues extends RegistryValues, CacheValues {
  output?: string;
  force?: true;
  quiet?: true;
  json?: true;
  entrypoint?: string;
  cmd?: string;
  rc?: string;
  env?: string[];
  workdir?: string;
  copy?: string[];
  mount?: string[];
  mountHome?: true;
  mountCwd?: true;
  target?: string;
  require?: string[];
  label?: string[];
  desc?: string;
  platform?: string;
  level?: string;
  blockSize?: string;
}

/** Changes nothing. */
export const NO_CHANGES: Changes = {
  copies: [],
  mounts: [],
  mountHome: false,
  mountCwd: false,
  requirements: { dropOwn: false, added: [] },
};

/** The request that a command line means. Throws E_USAGE, and E_SOURCE when the `--rc` script cannot be read. */
export async function buildRequest(
  source: string,
  values: BuildValues,
  environment: Environment,
): Promise<BuildRequest> {
  if (values.target === '') throw new RundleError('E_USAGE', '--target is empty');
  return {
    source,
    output: values.output ?? outputName(source),
    force: values.force ?? false,
    platforms: values.platform === undefined ? [] : values.platform.split(',').map(parsePlatform),
    payload: {
      blockSize: values.blockSize === undefined ? undefined : parseSize(values.blockSize),
      level: values.level === undefined ? undefined : parseLevel(values.level),
      // Blocks that are copied keep the level they have: not what somebody wants who names one.
      reuse: values.level === undefined,
    },
    changes: {
      entrypoint: values.entrypoint === undefined ? undefined : parseWords(values.entrypoint),
      cmd: values.cmd === undefined ? undefined : parseWords(values.cmd),
      env: (values.env ?? []).map((entry) => completeVariable(entry, environment)),
      workingDir: values.workdir,
      labels: values.label ?? [],
      rc: values.rc === undefined ? undefined : await readScript(values.rc),
      copies: (values.copy ?? []).map(parseCopy),
      mounts: (values.mount ?? []).map(parseMount),
      mountHome: values.mountHome ?? false,
      mountCwd: values.mountCwd ?? false,
      target: values.target,
      description: values.desc,
      requirements: parseRequirements(values.require ?? []),
    },
  };
}

/**
 * The words of `--entrypoint` and `--cmd`: a JSON array of strings, or the text itself as one word; the empty text is no
 * word at all. Throws E_USAGE.
 */
export function parseWords(text: string): string[] {
  if (!text.trimStart().startsWith('[')) return text === '' ? [] : [text];
  let words: unknown;
  try {
    words = JSON.parse(text);
  } catch {
    words = undefined;
  }
  const sound =
    Array.isArray(words) &&
    words.every(
      (word) => typeof word === 'string' && !word.includes('\0') && !/\p{Surrogate}/u.test(word),
    );
  if (!sound) {
    throw new RundleError('E_USAGE', `${JSON.stringify(text)} is not a JSON array of strings`, {
      hint: `write for example '["python3", "-m", "http.server"]'; a program called "[" is '["["]'`,
    });
  }
  return words as string[];
}

/** Bytes: a number, or one with K or M. Throws E_USAGE. */
export function parseSize(text: string): number {
  const match = /^(\d{1,12})([KkMm]?)(?:i?B)?$/.exec(text);
  if (match === null) {
    throw new RundleError('E_USAGE', `--block-size "${text}" is not a size`, {
      hint: 'write for example 131072, 128K or 1M',
    });
  }
  const units: Record<string, number> = { '': 1, k: 1024, m: 1024 * 1024 };
  return Number(match[1]) * (units[(match[2] ?? '').toLowerCase()] ?? 1);
}

function parseLevel(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new RundleError('E_USAGE', `--level "${text}" is not a whole number`);
}

function formatSize(bytes: number): string {
  return bytes >= 1024 * 1024 ? `${bytes / 1024 / 1024}M` : `${bytes / 1024}K`;
}

function completeVariable(entry: string, environment: Environment): string {
  return entry.includes('=') ? entry : `${entry}=${variableValue(entry, environment)}`;
}

async function readScript(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new RundleError(
      'E_SOURCE',
      `reading the script given to --rc, ${path}: ${systemReason(cause)}`,
      { cause },
    );
  }
}
