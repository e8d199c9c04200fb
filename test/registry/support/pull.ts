import { mkdirSync } from 'node:fs';
import { anonymousAccess, type RegistryAccess } from '#rundle/registry/access.js';
import { loadSource } from '#rundle/source/open.js';
import type { LoadedSource } from '#rundle/source/source.js';
import type { SourceContext } from '#rundle/source/transport.js';

/** Waits that a test can afford. */
export const IMPATIENT = {
  connect: 5000,
  headers: 5000,
  stall: 5000,
  attempts: 3,
  firstWait: 1,
  longestWait: 5000,
};

/** Access without surroundings, except for what a test gives. */
export function accessWith(other: Partial<RegistryAccess> = {}): RegistryAccess {
  return { ...anonymousAccess({}), patience: IMPATIENT, ...other };
}

let pulls = 0;

/** Loads `docker://REFERENCE` with a spool directory of its own below `directory`. */
export function pull(
  directory: string,
  reference: string,
  access: Partial<RegistryAccess> = {},
  context: Partial<SourceContext> = {},
): Promise<LoadedSource> {
  pulls += 1;
  const spoolDirectory = `${directory}/pull-${pulls}`;
  mkdirSync(spoolDirectory, { mode: 0o700 });
  const registry = accessWith(access);
  return loadSource(`docker://${reference}`, { spoolDirectory, registry, ...context });
}
