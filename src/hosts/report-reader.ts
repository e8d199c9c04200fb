import { RundleError } from '../errors.js';
import { fragments, isOwnLabel } from './labels.js';
import { claimsToBeReport, parseReport, type Report } from './report.js';

/** Bounds of what is read. */
export interface ReadLimits {
  /** Characters of one report. */
  report: number;
  /** Characters of all reports that have begun and not ended. */
  open: number;
  /** Bytes of the whole input. */
  input: number;
}

export const READ_LIMITS: ReadLimits = {
  report: 1024 * 1024,
  open: 256 * 1024 * 1024,
  input: 64 * 1024 ** 3,
};

/** Input that is not divided into lines is taken in pieces of so many characters. */
const MAX_LINE = 1024 * 1024;

/** A report begins like this, with spaces wherever JSON has them; inside another one nothing does. */
const BEGINNING = /\{\s*(?:"at"\s*:\s*"(?:[^"\\]|\\.)*"\s*,\s*)?"schema"\s*:/;

/** How a line can begin that belongs to an object which began on an earlier one. */
const JSON_LINE = /^\s*(?:["{}[\],:\d-]|true\b|false\b|null\b|$)/;

/** A JSON object that has begun. */
interface Candidate {
  line: number;
  parts: string[];
  length: number;
  depth: number;
  inString: boolean;
  isEscaped: boolean;
}

/**
 * Finds the reports in `input`, wherever they stand: one a line, several in one, over many lines, with labels, with foreign lines
 * between. `take` gets each with the line it begins in. `name` begins messages. Throws E_FORMAT for a report that is
 * cut off, torn or not of its schema and when a limit is passed, E_UNSUPPORTED for a later schema, and what `input` throws.
 */
export async function readReports(
  input: AsyncIterable<Uint8Array>,
  name: string,
  take: (report: Report, line: number) => void,
  limits: ReadLimits = READ_LIMITS,
): Promise<void> {
  const reader = new ReportReader(name, take, limits);
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > limits.input) throw tooBig(name, 'the input', limits.input, 'bytes');
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) reader.line(line, true);
    if (rest.length > MAX_LINE) {
      reader.line(rest, false);
      rest = '';
    }
  }
  reader.line(rest + decoder.decode(), true);
  reader.end();
}

class ReportReader {
  readonly #name: string;
  readonly #take: (report: Report, line: number) => void;
  readonly #limits: ReadLimits;
  readonly #open = new Map<string, Candidate>();
  #openLength = 0;
  #line = 1;
  /** Labels of reports that stopped in the middle of a line because another one began there. */
  readonly #torn = new Set<string>();
  /** The label that a line goes on with whose end has not come yet. */
  #before: string | undefined;

  constructor(name: string, take: (report: Report, line: number) => void, limits: ReadLimits) {
    this.#name = name;
    this.#take = take;
    this.#limits = limits;
  }

  /** A line, or a piece of one when `isWhole` is false. */
  line(text: string, isWhole: boolean): void {
    const found = fragments(text.endsWith('\r') ? text.slice(0, -1) : text, this.#owner());
    const isAtStart = this.#before === undefined;
    let last = this.#before ?? '';
    for (const [i, fragment] of found.entries()) {
      last = fragment.label;
      if (i === 0 && isAtStart && last === '' && this.#isForeign(fragment.text)) continue;
      this.#feed(last, fragment.text);
      if (isOwnLabel(last)) this.#torn.add(last);
    }
    if (isWhole) {
      this.#endLine(last);
      this.#torn.delete(last);
      this.#line++;
    }
    this.#before = isWhole ? undefined : last;
  }

  end(): void {
    for (const candidate of this.#open.values()) this.#refuse(candidate, 'is cut off');
  }

  /** Whose text goes on at the beginning of a line: that of the only one which was torn in two before; undefined when a new line begins. */
  #owner(): string | undefined {
    if (this.#before !== undefined || this.#torn.size === 0) return this.#before;
    const [only = ''] = this.#torn;
    return this.#torn.size === 1 ? only : '';
  }

  /** True for a line within an object that no JSON can have there. */
  #isForeign(text: string): boolean {
    const open = this.#open.get('');
    return open !== undefined && !open.inString && !JSON_LINE.test(text);
  }

  #feed(label: string, text: string): void {
    let position = 0;
    while (position < text.length) {
      const open = this.#open.get(label);
      if (open === undefined) {
        position = this.#begin(label, text, position);
        if (position < 0) return;
        continue;
      }
      // A candidate's own brace is the first character of it.
      const from = open.length === 0 ? position + 1 : position;
      const next = text.slice(from).search(BEGINNING);
      const limit = next < 0 ? text.length : from + next;
      position = this.#scan(label, open, text, position, limit);
      if (next >= 0 && position === limit && this.#open.get(label) === open) {
        this.#close(label, open);
        this.#refuse(open, 'is torn apart by another one');
      }
    }
  }

  /** Opens a candidate at the next brace that can begin an object; its position, or -1 when there is none. */
  #begin(label: string, text: string, from: number): number {
    for (let at = text.indexOf('{', from); at >= 0; at = text.indexOf('{', at + 1)) {
      if (!/^\{\s*(?:"|\}|$)/.test(text.slice(at, at + 256))) continue;
      this.#open.set(label, {
        line: this.#line,
        parts: [],
        length: 0,
        depth: 0,
        inString: false,
        isEscaped: false,
      });
      return at;
    }
    return -1;
  }

  /** Takes the text up to the end of the object or `limit`, and says how far that was. */
  #scan(label: string, open: Candidate, text: string, from: number, limit: number): number {
    let { depth, inString, isEscaped } = open;
    let at = from;
    for (; at < limit; at++) {
      const code = text.charCodeAt(at);
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (code === 0x5c) isEscaped = true;
        else if (code === 0x22) inString = false;
      } else if (code === 0x22) inString = true;
      else if (code === 0x7b) depth++;
      else if (code === 0x7d && --depth === 0) break;
    }
    const isEnd = at < limit;
    const end = isEnd ? at + 1 : limit;
    Object.assign(open, { depth, inString, isEscaped });
    this.#append(open, text.slice(from, end));
    if (isEnd) {
      this.#close(label, open);
      this.#finish(open);
    }
    return end;
  }

  #append(open: Candidate, text: string): void {
    open.parts.push(text);
    open.length += text.length;
    this.#openLength += text.length;
    if (open.length > this.#limits.report) {
      throw tooBig(this.#where(open), 'what begins there', this.#limits.report, 'characters');
    }
    if (this.#openLength > this.#limits.open) {
      throw tooBig(this.#name, 'what has begun and not ended', this.#limits.open, 'characters');
    }
  }

  #close(label: string, open: Candidate): void {
    this.#open.delete(label);
    this.#openLength -= open.length;
  }

  /** A line end inside a string of an object without a label: no JSON, and what follows may be another's. */
  #endLine(label: string): void {
    const open = this.#open.get('');
    if (label !== '' || open === undefined) return;
    if (open.inString) {
      this.#close('', open);
      this.#refuse(open, 'is torn apart in the middle of a text');
    } else this.#append(open, '\n');
  }

  #finish(open: Candidate): void {
    let value: unknown;
    try {
      value = JSON.parse(open.parts.join(''));
    } catch {
      this.#refuse(open, 'is not JSON');
      return;
    }
    if (claimsToBeReport(value)) this.#take(parseReport(value, this.#where(open)), open.line);
  }

  /** Something broken that is no report is somebody else's. */
  #refuse(open: Candidate, why: string): void {
    const text = open.parts.join('').slice(0, 4096);
    if (text.search(BEGINNING) !== 0) return;
    throw new RundleError('E_FORMAT', `${this.#where(open)}: the report that begins there ${why}`, {
      hint: 'where several processes write at once, their lines mix: give srun -l, mpirun --tag-output, or each a file',
    });
  }

  #where(open: Candidate): string {
    return `${this.#name}, line ${open.line}`;
  }
}

function tooBig(where: string, what: string, limit: number, unit: string): RundleError {
  return new RundleError(
    'E_FORMAT',
    `${where}: ${what} has more than the ${limit} ${unit} allowed`,
  );
}
