import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** Environment variables of the builder. */
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The user's own cache: `rundle` in `$XDG_CACHE_HOME`, by default `~/.cache` (XDG base directory specification). Undefined for a user without a
 * home directory.
 */
export function cacheDirectory({ XDG_CACHE_HOME, HOME }: Environment): string | undefined {
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'rundle');
  const home = HOME && isAbsolute(HOME) ? HOME : registeredHome();
  return home === undefined ? undefined : join(home, '.cache/rundle');
}

/** Caches that others fill: those named on the command line, then those of `RUNDLE_CACHE_FROM`, which colons divide. */
export function readOnlyCaches(
  named: readonly string[],
  { RUNDLE_CACHE_FROM = '' }: Environment,
): string[] {
  const listed = RUNDLE_CACHE_FROM.split(':').filter((directory) => directory !== '');
  return [...new Set([...named, ...listed].map((directory) => resolve(directory)))];
}

/** A user ID that no user has, as containers often run with, has no home either. */
function registeredHome(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
