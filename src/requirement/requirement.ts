import { ARCHITECTURES, type Architecture } from '../bundle/architecture.js';
import { RundleError } from '../errors.js';
import { architecturesWith, CPU_FEATURES, cpuFeature } from './cpu-features.js';
import { CUDA_DRIVERS } from './cuda-drivers.js';
import { driverForCuda, VERSION } from './version.js';

/** Most bytes of a requirement; the launcher's REQUIREMENT_LIMIT. */
export const REQUIREMENT_LIMIT = 1024;

/** What a bundle can need of a host, in the form that goes into the launch config: alternatives, of which one must be met. */
export interface Requirement {
  alternatives: readonly Alternative[];
}

interface Alternative {
  /** For example `kernel>=5.11`. */
  text: string;
  /** Whose CPUs can meet it. */
  architectures: readonly Architecture[];
}

/** How a term is written, for people. The launcher knows the same ones (stub/requirement.c), `cuda` excepted. */
export const SYNTAX: readonly string[] = [
  'arch=x86_64',
  'kernel>=5.11',
  'cpu=avx2,fma',
  'cpu=x86-64-v3',
  'cpus>=8',
  'memory>=16G',
  'disk>=2G',
  'shm>=1G',
  'memlock=unlimited',
  'stack>=64M',
  'nofile>=65536',
  'nproc>=4096',
  'gpu',
  'gpu=nvidia',
  'gpu=amd',
  'driver>=525',
  'cuda>=12.4',
];

/** What can stand behind the name of a term: the same part in its normal form, or undefined when it is not understood. */
type Reader = (operator: string, value: string) => string | undefined;

const versions: Reader = (operator, value) => {
  const parts = `${operator}${value}`.split(',');
  const read = parts.map((part) => /^(>=|<)(.*)$/.exec(part));
  return read.every((match) => match?.[2] !== undefined && VERSION.test(match[2]))
    ? parts.join(',')
    : undefined;
};

const UNITS = ['', 'K', 'M', 'G', 'T'];

const bytes: Reader = (operator, value) => {
  const [, digits, unit = ''] = /^(\d{1,16})([KMGT]?)(?:i?B)?$/i.exec(value) ?? [];
  if (operator !== '>=' || digits === undefined) return undefined;
  let amount = Number(digits) * 1024 ** UNITS.indexOf(unit.toUpperCase());
  if (amount < 1 || amount > Number.MAX_SAFE_INTEGER) return undefined;
  let step = 0;
  for (; step < 4 && amount % 1024 === 0; step++) amount /= 1024;
  return `>=${amount}${UNITS[step]}`;
};

const pieces: Reader = (operator, value) => {
  const amount = /^\d{1,16}$/.test(value) ? Number(value) : 0;
  if (operator !== '>=' || amount < 1 || amount > Number.MAX_SAFE_INTEGER) return undefined;
  return `>=${amount}`;
};

const orUnlimited =
  (reader: Reader): Reader =>
  (operator, value) =>
    value === 'unlimited' && operator !== '<' && operator !== ''
      ? '=unlimited'
      : reader(operator, value);

const oneOf =
  (words: Readonly<Record<string, string>>): Reader =>
  (operator, value) => {
    const word = Object.hasOwn(words, value) ? words[value] : undefined;
    return operator === '=' && word !== undefined ? `=${word}` : undefined;
  };

const driver: Reader = (operator, value) =>
  operator === '=' && value === 'none' ? '=none' : versions(operator, value);

const cpu: Reader = (operator, value) => {
  const names = value.split(',').map(cpuFeature);
  if (operator !== '=' || names.includes(undefined)) return undefined;
  return `=${[...new Set(names)].join(',')}`;
};

const MACHINES = {
  x86_64: 'x86_64',
  'x86-64': 'x86_64',
  amd64: 'x86_64',
  aarch64: 'aarch64',
  arm64: 'aarch64',
};
const VENDORS = { nvidia: 'nvidia', amd: 'amd' };

const TERMS: Readonly<Record<string, Reader>> = {
  arch: oneOf(MACHINES),
  kernel: versions,
  cpu,
  cpus: pieces,
  memory: bytes,
  disk: bytes,
  shm: bytes,
  memlock: orUnlimited(bytes),
  stack: orUnlimited(bytes),
  nofile: orUnlimited(pieces),
  nproc: orUnlimited(pieces),
  gpu: (operator, value) => (operator === '' ? '' : oneOf(VENDORS)(operator, value)),
  driver,
};

/** Reads a requirement as a user writes it. Throws E_USAGE with what is known. */
export function parseRequirement(text: string): Requirement {
  const alternatives = text.split('|').map((part) => parseAlternative(part, text));
  const unique = new Map(alternatives.map((alternative) => [alternative.text, alternative]));
  const requirement = { alternatives: [...unique.values()] };
  const length = requirementText(requirement).length;
  if (length > REQUIREMENT_LIMIT) {
    throw refuse(text, `takes ${length} bytes, at most ${REQUIREMENT_LIMIT} fit`);
  }
  return requirement;
}

/** As it stands in a launch config. */
export function requirementText({ alternatives }: Requirement): string {
  return alternatives.map((alternative) => alternative.text).join('|');
}

/** What is left of it for machines of `architecture`; undefined when it is about the CPUs of others alone. */
export function requirementFor(
  { alternatives }: Requirement,
  architecture: Architecture,
): string | undefined {
  const own = alternatives.filter(({ architectures }) => architectures.includes(architecture));
  return own.length === 0 ? undefined : requirementText({ alternatives: own });
}

function parseAlternative(part: string, whole: string): Alternative {
  const bare = part.replace(/\s+/g, '');
  const [, name = '', operator = '', value = ''] = /^([a-z]*)([<>=]*)(.*)$/i.exec(bare) ?? [];
  const term = name.toLowerCase();
  if (term === 'cuda') return parseCuda(operator, value, whole);
  const reader = Object.hasOwn(TERMS, term) ? TERMS[term] : undefined;
  if (reader === undefined) throw refuse(whole, 'is not known');
  const rest = reader(operator, term === 'cpu' ? value : caseless(value));
  if (rest === undefined) throw refuse(whole, 'is not understood', featuresHint(term));
  const architectures = architecturesOf(term, rest);
  if (architectures.length === 0) throw refuse(whole, 'names features of different CPUs');
  return { text: `${term}${rest}`, architectures };
}

/** Units keep their case: they are read without regard to it. */
const caseless = (value: string) => (/^\d/.test(value) ? value : value.toLowerCase());

/** The version of the driver is all that a host without CUDA itself can tell. */
function parseCuda(operator: string, value: string, whole: string): Alternative {
  if (operator !== '>=' || !VERSION.test(value)) throw refuse(whole, 'is not understood');
  const first = driverForCuda(value);
  if (first === undefined) {
    const [newest] = CUDA_DRIVERS.at(-1) ?? [];
    throw refuse(
      whole,
      `is newer than CUDA ${newest}, the last one known here`,
      'name the driver that it needs, for example driver>=610',
    );
  }
  return { text: `driver>=${first}`, architectures: ARCHITECTURES };
}

function architecturesOf(term: string, rest: string): readonly Architecture[] {
  if (term !== 'cpu') return ARCHITECTURES;
  const features = rest.slice(1).split(',');
  return ARCHITECTURES.filter((architecture) =>
    features.every((feature) => architecturesWith(feature).includes(architecture)),
  );
}

function featuresHint(term: string): string | undefined {
  if (term !== 'cpu') return undefined;
  const lists = ARCHITECTURES.map(
    (architecture) => `for ${architecture}: ${CPU_FEATURES[architecture].join(' ')}`,
  );
  return `known ${lists.join('; ')}`;
}

function refuse(text: string, why: string, hint?: string): RundleError {
  return new RundleError('E_USAGE', `the requirement "${text}" ${why}`, {
    hint: hint ?? `known are ${SYNTAX.join(', ')}; several in one are alternatives, divided by |`,
  });
}
