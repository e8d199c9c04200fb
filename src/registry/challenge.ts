import { RundleError } from '../errors.js';

/** One way to authenticate that a server offers. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  scheme: string;
  /** Names in lower case. */
  parameters: ReadonlyMap<string, string>;
}

/** No server needs more to say how it wants to be asked. */
const MAX_LENGTH = 8192;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

/**
 * The challenges of a `WWW-Authenticate` field (RFC 9110, 11.6.1), several of which may stand in one. `where` begins messages. Throws E_NETWORK
 * for what does not follow the grammar: a guess could send credentials to a place that the server does not mean.
 */
export function parseChallenges(field: string, where: string): Challenge[] {
  const fail = () =>
    new RundleError('E_NETWORK', `${where}: its WWW-Authenticate field cannot be understood`);
  if (field.length > MAX_LENGTH) throw fail();
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const scanner = new Scanner(field);
  scanner.take(/[\s,]*/y);
  while (!scanner.atEnd) {
    const current = challenges.at(-1);
    const parameter = takeParameter(scanner);
    if (parameter !== undefined) {
      const [name, value] = parameter;
      if (current === undefined || current.parameters.has(name)) throw fail();
      current.parameters.set(name, value);
    } else {
      const scheme = scanner.take(new RegExp(`(${TOKEN})(?=$|[ \\t,])`, 'y'));
      if (scheme === undefined) throw fail();
      challenges.push({ scheme: (scheme[1] ?? '').toLowerCase(), parameters: new Map() });
      // What some schemes have instead of parameters: base64 without a name.
      if (scanner.take(/[ \t]+(?=[^,])/y) !== undefined && !startsParameter(scanner)) {
        scanner.take(/[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y);
      }
    }
    if (!scanner.atEnd && scanner.take(/[ \t]*(?:,[ \t,]*|$)/y) === undefined) {
      if (parameter !== undefined || !startsParameter(scanner)) throw fail();
    }
  }
  return challenges;
}

const NAME = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*`, 'y');
const VALUE = new RegExp(
  `(${TOKEN})|"((?:[^"\\\\\\x00-\\x08\\x0a-\\x1f\\x7f]|\\\\[\\t -~])*)"`,
  'y',
);
const PARAMETER = new RegExp(`${TOKEN}[ \\t]*=[ \\t]*(?:${TOKEN}|")`, 'y');

function startsParameter(scanner: Scanner): boolean {
  return scanner.looksAt(PARAMETER);
}

function takeParameter(scanner: Scanner): [string, string] | undefined {
  if (!startsParameter(scanner)) return undefined;
  const name = scanner.take(NAME)?.[1];
  const value = scanner.take(VALUE);
  if (name === undefined || value === undefined) return undefined;
  return [name.toLowerCase(), value[1] ?? (value[2] ?? '').replace(/\\(.)/g, '$1')];
}

/** A text and how far it has been read. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  looksAt(sticky: RegExp): boolean {
    sticky.lastIndex = this.#at;
    return sticky.test(this.#text);
  }

  take(sticky: RegExp): RegExpExecArray | undefined {
    sticky.lastIndex = this.#at;
    const match = sticky.exec(this.#text);
    if (match === null) return undefined;
    this.#at += match[0].length;
    return match;
  }
}
