import * as v from 'valibot';

/**
 * What valibot does not have for documents from outside: objects that are no arrays, maps with any key, whole numbers, and faults in words
 * that say where they are and hold nothing of the document but its keys.
 */

/** A schema for what has been parsed from JSON or TOML, with the type of what comes out. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** Where a document does not follow its schema. */
export interface Fault {
  /** Keys and positions, joined by dots; empty for the document as a whole. */
  path: string;
  reason: string;
}

/** A document that follows its schema, or all its faults: at least one, in the order of the schema. */
export type Validated<T> =
  | { valid: true; value: T }
  | { valid: false; faults: [Fault, ...Fault[]] };

/** Compares `value` with `schema`. Never throws. */
export function validate<T>(schema: Schema<T>, value: unknown): Validated<T> {
  const { issues, output } = v.safeParse(schema, value, WORDING);
  return issues === undefined
    ? { valid: true, value: output as T }
    : { valid: false, faults: issues.map(faultOf) as [Fault, ...Fault[]] };
}

/** The first three of `faults` in one line; `whole` stands for the document itself. */
export function listFaults(faults: readonly Fault[], whole: string): string {
  const listed = faults.slice(0, 3).map(({ path, reason }) => `${path || whole}: ${reason}`);
  return listed.join('; ');
}

/** An object with these members; others are left out. valibot's own takes an array for one. */
export function object<const T extends v.ObjectEntries>(entries: T) {
  return v.pipe(
    v.custom<unknown>(isObject, (issue) => expected('object', issue.input)),
    // A missing member gets the same words as one that is undefined: they say what belongs there.
    v.object(entries, (issue) => {
      const schema = entries[issue.path?.at(-1)?.key as string] as Schema<unknown>;
      const result = validate(schema, undefined);
      return result.valid ? issue.message : result.faults[0].reason;
    }),
  );
}

/**
 * An object with any members of one kind. `__proto__` is left out; valibot's own leaves out `constructor` and `prototype`
 * too, which are names like any other for a label.
 */
export function record<T>(keys: Schema<string>, values: Schema<T>) {
  return v.pipe(
    v.custom<Record<string, unknown>>(isObject, (issue) => expected('record', issue.input)),
    v.rawTransform(({ dataset: { value: input }, addIssue, NEVER }): Record<string, T> => {
      const members: [string, T][] = [];
      let fits = true;
      const refuse = (key: string, reason: string, path: readonly PathItem[] = []) => {
        const member = { type: 'unknown', origin: 'value', input, key, value: input[key] } as const;
        addIssue({ message: reason, path: [member, ...path] });
        fits = false;
      };
      for (const key of Object.keys(input)) {
        if (key === '__proto__') continue;
        if (!v.is(keys, key)) {
          refuse(key, 'Invalid key in record');
          continue;
        }
        const result = v.safeParse(values, input[key], WORDING);
        if (result.success) members.push([key, result.output]);
        for (const { message, path } of result.issues ?? []) refuse(key, message, path);
      }
      return fits ? Object.fromEntries(members) : NEVER;
    }),
  );
}

type PathItem = v.IssuePathItem;

/** An array of at most `most` items; whether it is longer is known before any of them is looked at. */
export function list<T>(items: Schema<T>, most: number) {
  return v.pipe(v.array(v.unknown()), v.maxLength(most), v.array(items));
}

/** A whole number that arithmetic is exact for. */
export const integer = v.pipe(
  v.custom<number>(Number.isInteger, ({ input }) =>
    expected(Number.isFinite(input) ? 'int' : 'number', input),
  ),
  v.safeInteger(),
);

/** A whole number from 0. */
export const count = v.pipe(integer, v.minValue(0));

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function faultOf({ path, message }: v.BaseIssue<unknown>): Fault {
  return { path: path?.map(({ key }) => String(key)).join('.') ?? '', reason: message };
}

const WORDING = { message: wordsFor };

/** Why something is refused, where its schema does not say it itself. */
function wordsFor(issue: v.BaseIssue<unknown>): string {
  const { type, input, requirement } = issue;
  switch (type) {
    case 'union':
      return 'Invalid input';
    case 'literal':
      return `Invalid input: expected ${issue.expected}`;
    case 'picklist':
      return `Invalid option: expected one of ${alternatives(issue.expected)}`;
    case 'regex':
      return `Invalid string: must match pattern ${requirement}`;
    case 'min_length':
      return `Too small: expected ${sizeOf(input)} >=${requirement} ${unitOf(input)}`;
    case 'max_length':
      return `Too big: expected ${sizeOf(input)} <=${requirement} ${unitOf(input)}`;
    case 'min_value':
      return `Too small: expected number to be >=${requirement}`;
    case 'gt_value':
      return `Too small: expected number to be >${requirement}`;
    case 'max_value':
      return `Too big: expected number to be <=${requirement}`;
    case 'safe_integer':
      return (input as number) > 0
        ? `Too big: expected int to be <=${Number.MAX_SAFE_INTEGER}`
        : `Too small: expected int to be >=${Number.MIN_SAFE_INTEGER}`;
    default:
      return expected(type, input);
  }
}

function expected(kind: string, input: unknown): string {
  return `Invalid input: expected ${kind}, received ${kindOf(input)}`;
}

/** Numbers that are none are given themselves, and instances by their class, such as a date of TOML. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'number') return Number.isFinite(value) ? 'number' : String(value);
  if (typeof value !== 'object') return typeof value;
  if (Array.isArray(value)) return 'array';
  const { name } = Object.getPrototypeOf(value)?.constructor ?? Object;
  return name === 'Object' ? 'object' : name;
}

/** `("a" | "b")`, as valibot puts it, without blanks and brackets. */
function alternatives(listed: string | null): string {
  return (listed ?? '').replace(/^\(|\)$/g, '').replaceAll('" | "', '"|"');
}

function sizeOf(input: unknown): string {
  return `${Array.isArray(input) ? 'array' : 'string'} to have`;
}

function unitOf(input: unknown): string {
  return Array.isArray(input) ? 'items' : 'characters';
}
