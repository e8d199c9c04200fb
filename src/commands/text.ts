import { type ByteString, fromText, toDisplay } from '../tree/byte-string.js';

/** Text from outside, made safe for a terminal: control characters as `\xNN`, so that nothing in a name acts there. */
export function printable(text: string): string {
  return escapeRest(toDisplay(fromText(text)));
}

/** The same for bytes that may not be UTF-8. */
export function printableBytes(bytes: ByteString): string {
  return escapeRest(toDisplay(bytes));
}

/** C1 controls, line separators, and the marks that turn the writing direction around. */
function escapeRest(text: string): string {
  return text.replace(
    /[\u0080-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
