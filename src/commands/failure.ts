import { CommanderError } from 'commander';
import { isRundleError, reasonOf } from '../errors.js';
import { printable } from './text.js';

/** A failed command, as it is reported. */
export interface Failure {
  /** 1, or 2 when the command line itself is wrong. */
  status: 1 | 2;
  code: string;
  message: string;
  hint?: string;
}

/** What to report for anything that was thrown. Nothing but a message: a stack is for RUNDLE_DEBUG=1. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) return usageFailure(error);
  if (!isRundleError(error)) {
    const code = (error as NodeJS.ErrnoException | null)?.code;
    return { status: 1, code: code ?? 'E_INTERNAL', message: reasonOf(error) };
  }
  return {
    status: error.code === 'E_USAGE' ? 2 : 1,
    code: error.code,
    message: error.message,
    ...(error.hint !== undefined && { hint: error.hint }),
  };
}

/** commander writes "error: what\n(Did you mean --x?)". */
function usageFailure(error: CommanderError): Failure {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const suggestion = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(rest.join(' ').trim())?.[1];
  return {
    status: 2,
    code: 'E_USAGE',
    message: first,
    hint: suggestion === undefined ? 'see rundle --help' : `did you mean ${suggestion}?`,
  };
}

/** For people: the message, and the way out on a second line. */
export function failureText({ message, hint }: Failure): string {
  const text = `rundle: ${printable(message)}\n`;
  return hint === undefined ? text : `${text}  ${printable(hint)}\n`;
}

/** For programs: one JSON object in one line. */
export function failureJson({ code, message, hint }: Failure): string {
  return `${JSON.stringify({ error: { code, message, ...(hint !== undefined && { hint }) } })}\n`;
}
