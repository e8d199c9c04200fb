import { readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { TomlTable } from 'smol-toml';
import * as v from 'valibot';
import { openFile, systemReason } from '../blob/file-range.js';
import { isRundleError, RundleError, reasonOf } from '../errors.js';
import { list, object, validate } from '../schema.js';

/** One `[[registry]]` of containers-registries.conf(5), version 2, with its defaults filled in. */
export interface RegistryRule {
  /** What image names have to begin with; may begin with `*.`. */
  prefix: string;
  /** What stands for the prefix; undefined when names stay as they are. */
  location: string | undefined;
  insecure: boolean;
  blocked: boolean;
  mirrors: MirrorRule[];
  /** For messages. */
  file: string;
}

/** A place that is asked before `location`. */
export interface MirrorRule {
  location: string;
  insecure: boolean;
  pull: 'all' | 'digest-only' | 'tag-only';
}

const MAX_SIZE = 1024 * 1024;
const SYSTEM = '/etc/containers/registries.conf';

const mirrorSchema = object({
  location: v.pipe(v.string(), v.minLength(1)),
  insecure: v.optional(v.boolean(), false),
  'pull-from-mirror': v.optional(v.picklist(['', 'all', 'digest-only', 'tag-only']), ''),
});

const registrySchema = object({
  prefix: v.optional(v.string(), ''),
  location: v.optional(v.string(), ''),
  insecure: v.optional(v.boolean(), false),
  blocked: v.optional(v.boolean(), false),
  'mirror-by-digest-only': v.optional(v.boolean(), false),
  mirror: v.optional(list(mirrorSchema, 256), () => []),
});

const fileSchema = object({
  registry: v.optional(list(registrySchema, 4096), () => []),
});

/**
 * The rules of all files, a later one standing for an earlier one of the same prefix: the main file is `$CONTAINERS_REGISTRIES_CONF`,
 * `~/.config/containers/registries.conf` or `/etc/containers/registries.conf`, and after it come the drop-in files of
 * containers-registries.conf.d(5) in alphabetical order, those of /etc only when the main file is not the user's. Throws
 * E_SOURCE when a file cannot be read, E_FORMAT when it is malformed, E_UNSUPPORTED for version 1 of the format.
 */
export async function readRegistriesConf(
  environment: Readonly<Record<string, string | undefined>>,
  system: string = SYSTEM,
): Promise<RegistryRule[]> {
  const { CONTAINERS_REGISTRIES_CONF, HOME } = environment;
  const user =
    HOME && isAbsolute(HOME) ? join(HOME, '.config/containers/registries.conf') : undefined;
  const rules = new Map<string, RegistryRule>();
  const take = async (path: string, isRequired = false) => {
    const text = await readText(path);
    if (text !== undefined) {
      for (const rule of await parseRules(text, path)) rules.set(rule.prefix, rule);
    } else if (isRequired) {
      throw new RundleError(
        'E_SOURCE',
        `reading ${path}: there is no such file, but CONTAINERS_REGISTRIES_CONF names it`,
      );
    }
    return text !== undefined;
  };
  if (CONTAINERS_REGISTRIES_CONF) await take(CONTAINERS_REGISTRIES_CONF, true);
  const isUsers = !CONTAINERS_REGISTRIES_CONF && user !== undefined && (await take(user));
  if (!CONTAINERS_REGISTRIES_CONF && !isUsers) await take(system);
  if (!isUsers) for (const path of await dropIns(`${system}.d`)) await take(path);
  if (user !== undefined) for (const path of await dropIns(`${user}.d`)) await take(path);
  return [...rules.values()];
}

async function dropIns(directory: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new RundleError('E_SOURCE', `reading ${directory}: ${systemReason(error)}`);
  }
  return names
    .filter((name) => name.endsWith('.conf'))
    .sort()
    .map((name) => join(directory, name));
}

async function readText(path: string): Promise<string | undefined> {
  const where = 'reading the configuration of registries';
  try {
    const { handle, size } = await openFile(path, where);
    try {
      if (size > MAX_SIZE) throw malformed(path, `it has ${size} bytes, more than ${MAX_SIZE}`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (isRundleError(error)) throw error;
    throw new RundleError('E_SOURCE', `${where}: ${path}: ${systemReason(error)}`);
  }
}

async function parseRules(text: string, path: string): Promise<RegistryRule[]> {
  // Most machines have no such file, and the parser takes as long to load as all the rest here.
  const { parse } = await import('smol-toml');
  let table: TomlTable;
  try {
    table = parse(text);
  } catch (error) {
    throw malformed(path, reasonOf(error).split('\n', 1)[0] ?? '');
  }
  if (table.registries !== undefined) {
    throw new RundleError('E_UNSUPPORTED', `reading ${path}: it is in version 1 of the format`, {
      hint: 'version 2 has a [[registry]] for each registry: containers-registries.conf(5)',
    });
  }
  const result = validate(fileSchema, table);
  if (!result.valid) {
    const [fault] = result.faults;
    throw malformed(path, `${fault.path}: ${fault.reason}`);
  }
  return result.value.registry.map((entry) => ruleOf(entry, path));
}

function ruleOf(entry: v.InferOutput<typeof registrySchema>, file: string): RegistryRule {
  const location = place(entry.location, file);
  const prefix = place(entry.prefix, file) || location;
  if (prefix === '') throw malformed(file, 'a [[registry]] has neither prefix nor location');
  const isWildcard = prefix.startsWith('*.');
  if (prefix.lastIndexOf('*') > 0 || location.includes('*') || (isWildcard && /[:/]/.test(prefix)))
    throw malformed(file, `"${prefix}": * may only stand for subdomains, as in *.example.com`);
  const onlyDigests = entry['mirror-by-digest-only'];
  const mirrors = entry.mirror.map((mirror): MirrorRule => {
    const pull = mirror['pull-from-mirror'];
    if (onlyDigests && pull !== '') {
      throw malformed(file, `"${prefix}" has mirror-by-digest-only and pull-from-mirror`);
    }
    return {
      location: place(mirror.location, file),
      insecure: mirror.insecure,
      pull: onlyDigests ? 'digest-only' : pull || 'all',
    };
  });
  const { insecure, blocked } = entry;
  return { prefix, location: location || undefined, insecure, blocked, mirrors, file };
}

/** `HOST[:PORT][/PATH]`, the host in lower case as in references. */
function place(text: string, file: string): string {
  if (/^[a-z]+:\/\//i.test(text)) {
    throw malformed(file, `"${text}" has a scheme; a place is HOST[:PORT][/PATH]`);
  }
  const [host = '', ...path] = text.replace(/\/+$/, '').split('/');
  return [host.toLowerCase(), ...path].join('/');
}

function malformed(path: string, reason: string): RundleError {
  return new RundleError('E_FORMAT', `reading ${path}: ${reason}`);
}
