import { RundleError } from '../errors.js';
import type { ImageConfig } from '../oci/config.js';

/** What the command line changes in an image's config; what is undefined or empty stays as the image has it. */
export interface ConfigOverrides {
  /** Replaces the entrypoint and, as Docker does, drops the image's cmd unless `cmd` is given too. */
  entrypoint?: readonly string[] | undefined;
  cmd?: readonly string[] | undefined;
  /** `KEY=VALUE` each; a key the image has keeps its place, a new one is appended. */
  env?: readonly string[] | undefined;
  /** Absolute path. */
  workingDir?: string | undefined;
  /** `KEY=VALUE` each. */
  labels?: readonly string[] | undefined;
}

/**
 * The image config with the overrides applied; `config` is not changed. Throws E_USAGE for an override that cannot
 * be meant, and E_FORMAT when the image itself holds a value that no process can be given (a NUL).
 */
export function applyConfigOverrides(
  config: ImageConfig,
  overrides: ConfigOverrides,
): ImageConfig & { workingDir: string } {
  const entrypoint = overrides.entrypoint ?? config.entrypoint;
  const inheritedCmd = overrides.entrypoint === undefined ? config.cmd : undefined;
  const result = {
    ...config,
    entrypoint: entrypoint === undefined ? undefined : [...entrypoint],
    cmd: overrides.cmd === undefined ? inheritedCmd : [...overrides.cmd],
    env: mergeEnvironment(config.env, overrides.env ?? []),
    workingDir: workingDirectory(config.workingDir, overrides.workingDir),
    labels: mergeLabels(config.labels, overrides.labels ?? []),
  };
  refuseNul('entrypoint', result.entrypoint ?? []);
  refuseNul('cmd', result.cmd ?? []);
  refuseNul('environment', result.env);
  refuseNul('working directory', [result.workingDir]);
  return result;
}

function mergeEnvironment(image: readonly string[], overrides: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of image) {
    // A later entry of the image wins over an earlier one, as with putenv(3); one without `=` sets nothing.
    if (entry.indexOf('=') > 0) merged.set(keyOf(entry), entry);
  }
  for (const entry of overrides) {
    if (entry.indexOf('=') <= 0) {
      throw new RundleError('E_USAGE', `--env "${entry}" has no variable name`, {
        hint: 'write --env KEY=VALUE, or --env KEY to take the value of your own environment',
      });
    }
    merged.set(keyOf(entry), entry);
  }
  return [...merged.values()];
}

function mergeLabels(
  image: Readonly<Record<string, string>>,
  overrides: readonly string[],
): Record<string, string> {
  // A Map, because a label may be called "__proto__".
  const merged = new Map(Object.entries(image));
  for (const entry of overrides) {
    if (entry.indexOf('=') <= 0) {
      throw new RundleError('E_USAGE', `--label "${entry}" is not KEY=VALUE`, {
        hint: 'write --label KEY=VALUE; the value may be empty',
      });
    }
    merged.set(keyOf(entry), entry.slice(entry.indexOf('=') + 1));
  }
  return Object.fromEntries(merged);
}

function workingDirectory(image: string, override: string | undefined): string {
  if (override !== undefined) {
    if (!override.startsWith('/')) {
      throw new RundleError('E_USAGE', `--workdir "${override}" is not an absolute path`, {
        hint: 'name the directory as it is called inside the image, for example --workdir /work',
      });
    }
    return override;
  }
  if (image === '') return '/';
  // Docker takes a relative WorkingDir from the root.
  return image.startsWith('/') ? image : `/${image}`;
}

function keyOf(entry: string): string {
  return entry.slice(0, entry.indexOf('='));
}

function refuseNul(what: string, values: readonly string[]): void {
  const bad = values.find((value) => value.includes('\0'));
  if (bad === undefined) return;
  throw new RundleError(
    'E_FORMAT',
    `applying the image's ${what}: "${bad.replaceAll('\0', '\\x00')}" holds a NUL, which no process can be given`,
  );
}
