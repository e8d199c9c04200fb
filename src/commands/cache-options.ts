import { type CacheSettings, withBlobCache } from '../cache/blob-cache.js';
import { cacheDirectory, readOnlyCaches } from '../cache/location.js';
import { RundleError } from '../errors.js';
import type { BlobCache } from '../registry/access.js';
import { parseSource } from '../source/open.js';
import { withTemporaryDirectory } from '../temporary-directory.js';
import type { Environment } from './environment.js';
import type { OptionRow } from './option.js';
import type { Terminal } from './terminal.js';
import { printable } from './text.js';

const GROUP = 'Registries';

/** The options of every command that keeps what it downloads. */
export const CACHE_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--no-cache',
    text: 'download everything, and keep nothing for the next time',
    group: GROUP,
  },
  {
    flags: '--cache-from <DIR>',
    text: 'look for blobs in this OCI layout or cache too, and change nothing there',
    group: GROUP,
    repeatable: true,
  },
];

/** The values of CACHE_OPTIONS as commander gives them. */
export interface CacheValues {
  /** False for --no-cache. */
  cache?: boolean;
  cacheFrom?: string[];
}

/**
 * Runs `use` with the cache that a source calls for: none when it is not in a registry, or when nothing is to be kept and no other cache is
 * to be read. Throws E_USAGE for options that do not fit the source or each other, and what `use` throws.
 */
export async function withCache<T>(
  source: string,
  values: CacheValues,
  environment: Environment,
  terminal: Terminal,
  use: (cache: BlobCache | undefined) => Promise<T>,
): Promise<T> {
  const isOff = values.cache === false;
  const named = values.cacheFrom ?? [];
  if (parseSource(source).transport !== 'docker') {
    if (!isOff && named.length === 0) return use(undefined);
    throw new RundleError('E_USAGE', '--no-cache and --cache-from are for docker:// alone');
  }
  if (isOff && named.length > 0) {
    throw new RundleError('E_USAGE', '--no-cache and --cache-from contradict each other');
  }
  if (isOff) return use(undefined);
  const remark = (text: string) => terminal.remark(printable(text));
  const directory = cacheDirectory(environment);
  if (directory === undefined) {
    remark('downloads are not cached: there is no home directory, and XDG_CACHE_HOME is not set');
  }
  return withTemporaryDirectory((fallback) => {
    const readOnly = readOnlyCaches(named, environment);
    const settings: CacheSettings = { directory, readOnly, fallback, remark };
    return withBlobCache(settings, use);
  });
}
