import { availableParallelism } from 'node:os';
import { RundleError } from '../errors.js';

/** The builder's own environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The value of a variable that `--env KEY` asks for. Throws E_USAGE when it is not set, or cannot be passed on as it is. */
export function variableValue(name: string, environment: Environment): string {
  const value = environment[name];
  if (value === undefined) {
    throw new RundleError('E_USAGE', `--env "${name}": your environment has no such variable`, {
      hint: `write --env ${name}=VALUE, or --env ${name}= for an empty one`,
    });
  }
  if (value.includes('\uFFFD')) {
    throw new RundleError('E_USAGE', `--env "${name}": its value is not UTF-8`);
  }
  return value;
}

/** SOURCE_DATE_EPOCH in seconds, undefined when it is not set. Throws E_USAGE when it is no time SquashFS has. */
export function sourceDateEpoch(environment: Environment): number | undefined {
  const text = environment.SOURCE_DATE_EPOCH;
  if (text === undefined || text === '') return undefined;
  const seconds = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds < 2 ** 32) return seconds;
  throw new RundleError('E_USAGE', `SOURCE_DATE_EPOCH "${text}" is not a time in seconds`, {
    hint: 'set it to seconds since 1970, below 4294967296, or unset it',
  });
}

/** Packing threads: RUNDLE_WORKERS, or one for each processor. Throws E_USAGE. */
export function workerCount(environment: Environment): number {
  const text = environment.RUNDLE_WORKERS;
  if (text === undefined || text === '') return availableParallelism();
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= 256) return count;
  throw new RundleError('E_USAGE', `RUNDLE_WORKERS "${text}" is not a number from 1 to 256`);
}
