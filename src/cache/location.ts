import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** The user's own cache: `rundle` in `$XDG_CACHE_HOME`, by default `~/.cache` (XDG base directory specification). */
export function cacheDirectory({
  XDG_CACHE_HOME,
}: Readonly<Record<string, string | undefined>>): string {
  const base =
    XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(base, 'rundle');
}

/** Caches that others fill: those named on the command line, then those of `RUNDLE_CACHE_FROM`, which colons divide. */
export function readOnlyCaches(
  named: readonly string[],
  { RUNDLE_CACHE_FROM = '' }: Readonly<Record<string, string | undefined>>,
): string[] {
  const listed = RUNDLE_CACHE_FROM.split(':').filter((directory) => directory !== '');
  return [...new Set([...named, ...listed].map((directory) => resolve(directory)))];
}
