import { setTimeout as sleep } from 'node:timers/promises';
import { RundleError } from '../errors.js';
import type { Patience } from './access.js';

const USUAL: Patience = {
  connect: 30_000,
  headers: 60_000,
  stall: 60_000,
  attempts: 5,
  firstWait: 500,
  longestWait: 120_000,
};

/** The usual times, with `other` in place of some of them. */
export function patienceWith(other: Partial<Patience> | undefined): Patience {
  return { ...USUAL, ...other };
}

/** A failure that may be gone the next time. */
export class PassingFault extends Error {
  /** What to throw when there is no next time. */
  readonly fault: RundleError;
  /** How long the server wants to be left alone, milliseconds. */
  readonly retryAfter: number | undefined;

  constructor(fault: RundleError, retryAfter?: number) {
    super(fault.message);
    this.fault = fault;
    this.retryAfter = retryAfter;
  }
}

/**
 * Calls `attempt` until it succeeds or fails for good; a PassingFault is tried again after a wait that doubles, with some chance in it so
 * that many nodes do not come back at once. Throws what `attempt` throws, a PassingFault's own error in the end.
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  patience: Patience,
  signal: AbortSignal,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingFault)) throw error;
      await waitAfter(error, tried, patience, signal);
    }
  }
}

/**
 * Waits before the next attempt, `tried` of which have failed. Throws the fault's own error when there is none left, or when the server
 * wants more time than there is.
 */
export async function waitAfter(
  { fault, retryAfter }: PassingFault,
  tried: number,
  patience: Patience,
  signal: AbortSignal,
): Promise<void> {
  if (tried >= patience.attempts) {
    throw amended(fault, tried === 1 ? '' : `; tried ${tried} times`);
  }
  if (retryAfter !== undefined && retryAfter > patience.longestWait) {
    throw amended(fault, `; it wants to be asked again in ${Math.ceil(retryAfter / 1000)} seconds`);
  }
  const doubled = Math.min(patience.firstWait * 2 ** (tried - 1), patience.longestWait);
  const chance = doubled * (0.5 + Math.random() / 2);
  await sleep(Math.max(chance, retryAfter ?? 0), undefined, { signal });
}

/** Milliseconds that a `Retry-After` field asks for: seconds, or a date (RFC 9110, 10.2.3). Undefined when it says neither. */
export function retryAfter(field: string | undefined, now: number): number | undefined {
  if (field === undefined) return undefined;
  if (/^\d{1,9}$/.test(field.trim())) return Number(field) * 1000;
  const date = /^[A-Z][a-z]{2}, .*GMT$/.test(field.trim()) ? Date.parse(field) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

function amended(fault: RundleError, addition: string): RundleError {
  const { code, message, hint, details, cause } = fault;
  return new RundleError(code, `${message}${addition}`, {
    cause,
    ...(hint !== undefined && { hint }),
    details: { ...details },
  });
}
