import { CUDA_DRIVERS } from './cuda-drivers.js';
import { REQUIREMENT_LIMIT } from './requirement.js';
import { compareVersions, driverForCuda, VERSION } from './version.js';

/** What a variable of an image asks for. */
export interface ImageRequirement {
  /** Name of the variable. */
  from: string;
  /** What of it a host can be compared with, in the form of a launch config; undefined when nothing is left. */
  text: string | undefined;
  /** What of it cannot be compared: conditions as they stand there. */
  notChecked: readonly string[];
}

const PREFIX = 'NVIDIA_REQUIRE_';
/** Of Tegra systems, which have another driver; NVIDIA's runtime leaves it out too. */
const JETPACK = 'NVIDIA_REQUIRE_JETPACK';
/** What Go's strconv.ParseBool takes for true. */
const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
/** Conditions of one variable that are listed as not checked. */
const LISTED = 50;

/**
 * What the environment of an image asks of the driver, read as NVIDIA's container toolkit reads it (internal/requirements and
 * config/image there): each NVIDIA_REQUIRE_* must be met; blanks divide alternatives, commas what must hold together;
 * an image with CUDA_VERSION alone asks for that version of CUDA; NVIDIA_DISABLE_REQUIRE switches it all off.
 *
 * The version of CUDA becomes one of the driver. A brand and a compute capability only the driver's own library could
 * tell: such a condition counts as met. As with that toolkit, which looks only where a container is given GPUs, nothing is
 * asked of a host without them: `driver=none` is the first alternative.
 */
export function imageRequirements(env: readonly string[]): ImageRequirement[] {
  const variables = new Map(
    env.map((entry) => {
      const equals = entry.indexOf('=');
      return [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
  if (TRUE.has(variables.get('NVIDIA_DISABLE_REQUIRE') ?? '')) return [];
  const asked = [...variables]
    .filter(([name]) => name.startsWith(PREFIX) && !name.startsWith(JETPACK))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const version = variables.get('CUDA_VERSION') ?? '';
  if (version !== '' && !variables.get(`${PREFIX}CUDA`)) {
    const [, majorMinor = version] = /^v?(\d+\.\d+)/.exec(version) ?? [];
    asked.push(['CUDA_VERSION', `cuda>=${majorMinor}`]);
  }
  return asked
    .map(([from, value]) => readVariable(from, value))
    .filter(({ text, notChecked }) => text !== undefined || notChecked.length > 0);
}

/** Versions of the driver from `from` on, below `to` if that is given. */
interface Range {
  from: string;
  to: string | undefined;
}

const LEAST = '0';

function readVariable(from: string, value: string): ImageRequirement {
  const notChecked = new Set<string>();
  const ranges = value.split(' ').flatMap((term) => readTerm(term, notChecked));
  const text = describe(merge(ranges));
  if (text !== undefined && text.length > REQUIREMENT_LIMIT) {
    return { from, text: undefined, notChecked: [clip(value)] };
  }
  return { from, text, notChecked: [...notChecked].slice(0, LISTED) };
}

/** What must hold together, as the drivers that it leaves: one range, or none for a term that says nothing or cannot be met. */
function readTerm(term: string, notChecked: Set<string>): Range[] {
  const range: Range = { from: LEAST, to: undefined };
  let understood = false;
  for (const condition of term.split(',')) {
    if (condition.trim() === '') continue;
    const [, property = '', operator = '', version = ''] =
      /^([^<>=!]*)(!=|<=|>=|=|<|>)(.*)$/.exec(condition) ?? [];
    if (!narrow(range, property, operator, version)) notChecked.add(clip(condition));
    understood ||= ['cuda', 'driver', 'brand', 'arch'].includes(property);
  }
  const possible = range.to === undefined || compareVersions(range.from, range.to) < 0;
  if (understood && !possible) notChecked.add(clip(term));
  return understood && possible ? [range] : [];
}

/** False when the condition leaves the range as it was, or wider than it says. */
function narrow(range: Range, property: string, operator: string, version: string): boolean {
  if (!VERSION.test(version)) return false;
  if (property === 'driver' && operator === '<') {
    if (range.to === undefined || compareVersions(version, range.to) < 0) range.to = version;
    return true;
  }
  if (operator !== '>=') return false;
  if (property === 'driver') return raise(range, version);
  if (property !== 'cuda') return false;
  const first = driverForCuda(version);
  if (first !== undefined) return raise(range, first);
  // Newer than all that are known here: so is its driver.
  raise(range, CUDA_DRIVERS.at(-1)?.[1] ?? LEAST);
  return false;
}

function raise(range: Range, version: string): true {
  if (compareVersions(version, range.from) > 0) range.from = version;
  return true;
}

/** The union of ranges, ascending. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of [...ranges].sort((a, b) => compareVersions(a.from, b.from))) {
    const last = merged.at(-1);
    if (last === undefined || (last.to !== undefined && compareVersions(last.to, range.from) < 0)) {
      merged.push({ ...range });
    } else if (last.to !== undefined) {
      const reachesFurther = range.to === undefined || compareVersions(range.to, last.to) > 0;
      if (reachesFurther) last.to = range.to;
    }
  }
  return merged;
}

/** Undefined for no range at all, and for one that holds every driver. */
function describe(ranges: readonly Range[]): string | undefined {
  const alternatives = ranges.map(({ from, to }) => {
    const bounds = [
      ...(from === LEAST ? [] : [`>=${from}`]),
      ...(to === undefined ? [] : [`<${to}`]),
    ];
    return bounds.length === 0 ? undefined : `driver${bounds.join(',')}`;
  });
  if (alternatives.length === 0 || alternatives.includes(undefined)) return undefined;
  return ['driver=none', ...alternatives].join('|');
}

function clip(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}
