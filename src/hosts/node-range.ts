/**
 * Many host names in the notation of Slurm and pdsh: `n[001-016,020],login1`. Brackets hold numbers and ranges of numbers,
 * whose width is that of the first one.
 */
import { RundleError } from '../errors.js';

/** Names that one list may stand for. */
export const MAX_NODES = 1_000_000;

/** A number of more digits is not exact in JavaScript; such digits are part of the name. */
const MAX_DIGITS = 15;

/** A name that is one of many: what stands before and behind its number. */
interface Numbered {
  before: string;
  digits: string;
  behind: string;
}

/** Sorts names as people count: n2 before n10. */
export function compareNodes(left: string, right: string): number {
  const [a, b] = [left.split(/(\d+)/), right.split(/(\d+)/)];
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a[i] ?? '', b[i] ?? ''];
    if (x === y) continue;
    const difference = i % 2 === 1 ? Number(x) - Number(y) : 0;
    if (difference !== 0 && !Number.isNaN(difference)) return difference;
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** The names in range notation, each once, in counting order. Names that hold brackets or commas stand as they are. */
export function formatNodes(names: Iterable<string>): string {
  const sorted = [...new Set(names)].sort(compareNodes);
  const places = sorted.map(numberings);
  const counts = new Map<string, number>();
  for (const place of places.flat()) counts.set(key(place), (counts.get(key(place)) ?? 0) + 1);
  const families = new Map<string, { first: Numbered; digits: string[] } | string>();
  for (const [i, name] of sorted.entries()) {
    // Of several numbers in a name the one counts that most names differ in; of equals the last.
    const [best] = [...(places[i] ?? [])].sort(
      (a, b) => (counts.get(key(b)) ?? 0) - (counts.get(key(a)) ?? 0),
    );
    if (best === undefined) {
      families.set(`=${name}`, name);
      continue;
    }
    const family = families.get(key(best));
    if (typeof family === 'object') family.digits.push(best.digits);
    else families.set(key(best), { first: best, digits: [best.digits] });
  }
  return [...families.values()].map(formatFamily).join(',');
}

const key = ({ before, behind }: Numbered) => `${before}\0${behind}`;

/** Every number in a name, the last one first. */
function numberings(name: string): Numbered[] {
  if (/[[\],\s]/.test(name)) return [];
  return [...name.matchAll(/\d+/g)]
    .filter(([digits]) => digits.length <= MAX_DIGITS)
    .map(({ 0: digits, index }) => ({
      before: name.slice(0, index),
      digits,
      behind: name.slice(index + digits.length),
    }))
    .reverse();
}

function formatFamily(family: { first: Numbered; digits: string[] } | string): string {
  if (typeof family === 'string') return family;
  const { first, digits } = family;
  if (digits.length === 1) return `${first.before}${digits[0]}${first.behind}`;
  return `${first.before}[${ranges(digits)}]${first.behind}`;
}

/** 09 and 10 are neighbours, 9 and 10 as well, 9 and 010 are not. */
function ranges(all: readonly string[]): string {
  const padded = new Set(all.filter((digits) => /^0./.test(digits)).map(({ length }) => length));
  // Numbers that are too long to be padded go on where the padded ones end.
  const width = (digits: string) =>
    Math.max(0, ...[...padded].filter((length) => length <= digits.length));
  const sorted = [...all].sort((a, b) => width(a) - width(b) || Number(a) - Number(b));
  const runs: { from: string; to: string }[] = [];
  for (const digits of sorted) {
    const run = runs.at(-1);
    const next = run && String(Number(run.to) + 1).padStart(run.from.length, '0');
    if (run !== undefined && next === digits) run.to = digits;
    else runs.push({ from: digits, to: digits });
  }
  runs.sort((a, b) => Number(a.from) - Number(b.from) || a.from.length - b.from.length);
  return runs.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(',');
}

/**
 * The names that `text` stands for, each once, in its order; blanks and line ends divide them as well as commas do. A name may
 * have several brackets. `where` begins messages. Throws E_USAGE when it cannot be read, or stands for more than MAX_NODES names.
 */
export function expandNodes(text: string, where: string): string[] {
  const names = new Set<string>();
  for (const [item] of text.matchAll(/(?:\[[^\]]*\]?|[^[,\s])+/g)) {
    for (const name of expandItem(item, where)) {
      names.add(name);
      if (names.size > MAX_NODES) throw tooMany(where);
    }
  }
  return [...names];
}

function expandItem(item: string, where: string): string[] {
  let names = [''];
  for (const [part] of item.matchAll(/\[[^\]]*\]?|[^[]+/g)) {
    const choices = part.startsWith('[') ? expandBracket(part, where) : [part];
    if (part.includes(']') && !part.startsWith('[')) throw unreadable(item, where);
    if (names.length * choices.length > MAX_NODES) throw tooMany(where);
    names = names.flatMap((name) => choices.map((choice) => name + choice));
  }
  return names;
}

function expandBracket(part: string, where: string): string[] {
  if (!/^\[\d{1,15}(-\d{1,15})?(,\d{1,15}(-\d{1,15})?)*\]$/.test(part))
    throw unreadable(part, where);
  const numbers: string[] = [];
  for (const range of part.slice(1, -1).split(',')) {
    const [from = '', to = from] = range.split('-');
    const count = Number(to) - Number(from) + 1;
    if (count < 1) throw unreadable(part, where);
    if (numbers.length + count > MAX_NODES) throw tooMany(where);
    for (let i = 0; i < count; i++) {
      numbers.push(String(Number(from) + i).padStart(from.length, '0'));
    }
  }
  return numbers;
}

function unreadable(part: string, where: string): RundleError {
  return new RundleError('E_USAGE', `${where}: "${part}" is no list of host names`, {
    hint: 'write it as Slurm does, such as n[001-016,020]',
  });
}

function tooMany(where: string): RundleError {
  return new RundleError('E_USAGE', `${where}: it stands for more than ${MAX_NODES} names`);
}
