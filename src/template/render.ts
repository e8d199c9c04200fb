import Mustache from 'mustache';
import { RundleError } from '../errors.js';
import type { ByteString } from '../tree/byte-string.js';
import { quoteForShell } from './quote.js';

/** Values by key; every key stands in the template and the other way round. */
export type View = Readonly<Record<string, ByteString>>;

const KEY = /^[a-z][a-z0-9_]*$/;
const ASSIGNMENT = /(?:^|\n)[ \t]*[A-Za-z_][A-Za-z0-9_]*=$/;

/**
 * Fills a shell template. Only plain `{{key}}` tags exist, each the whole right-hand side of an assignment on a
 * line of its own, so that what is put in is one quoted word wherever a value comes from. Throws E_TEMPLATE
 * for any other tag or place, for a key that one side lacks, and for NUL in a value.
 */
export function renderTemplate(template: ByteString, view: View): ByteString {
  const used = new Set<string>();
  let before = '';
  let afterTag = false;
  for (const [type, value] of parse(template)) {
    if (type === 'text') {
      if (afterTag && !value.startsWith('\n')) {
        throw misplaced([...used].at(-1) ?? '');
      }
      before = value;
      afterTag = false;
      continue;
    }
    if (type !== 'name' || !KEY.test(value)) {
      throw new RundleError(
        'E_TEMPLATE',
        `rendering the template: the tag "${type === 'name' ? '' : type}${value}" is not allowed, only {{key}} is`,
      );
    }
    if (!Object.hasOwn(view, value)) {
      throw new RundleError('E_TEMPLATE', `rendering the template: no value for {{${value}}}`);
    }
    if (afterTag || !ASSIGNMENT.test(before)) throw misplaced(value);
    used.add(value);
    before = '';
    afterTag = true;
  }
  for (const key of Object.keys(view)) {
    if (!used.has(key)) {
      throw new RundleError('E_TEMPLATE', `rendering the template: it has no place for "${key}"`);
    }
  }
  return Mustache.render(template, view, undefined, { escape: quoteForShell }) as ByteString;
}

/** Mustache's tokens; texts that stand next to each other are one. */
function parse(template: string): [type: string, value: string][] {
  let tokens: unknown[][];
  try {
    tokens = Mustache.parse(template) as unknown[][];
  } catch (cause) {
    throw new RundleError('E_TEMPLATE', 'rendering the template: its tags are not balanced', {
      cause,
    });
  }
  return tokens.map((token) => [String(token[0]), String(token[1])]);
}

function misplaced(key: string): RundleError {
  return new RundleError(
    'E_TEMPLATE',
    `rendering the template: {{${key}}} is not the whole right-hand side of an assignment`,
  );
}
