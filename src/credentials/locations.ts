import { isAbsolute, join } from 'node:path';

/** Environment variables of the builder. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Files that may hold credentials, in the order they are asked. */
export interface CredentialFiles {
  /** JSON: Docker's `config.json` and podman's `auth.json`. */
  json: string[];
  /** Enroot's `.credentials`. */
  enroot: string | undefined;
}

/**
 * Where credentials are kept. `$REGISTRY_AUTH_FILE` stands in for podman's own two files, as podman's `--authfile` does, and
 * `$DOCKER_CONFIG` for `~/.docker`. Names that are not absolute are left out, except in those two variables,
 * which mean the current directory then.
 */
export function credentialFiles(environment: Environment): CredentialFiles {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, DOCKER_CONFIG, ENROOT_CONFIG_PATH } = environment;
  const config = configHome(environment);
  const podman = REGISTRY_AUTH_FILE
    ? [REGISTRY_AUTH_FILE]
    : [below(XDG_RUNTIME_DIR, 'containers/auth.json'), below(config, 'containers/auth.json')];
  const docker = DOCKER_CONFIG
    ? join(DOCKER_CONFIG, 'config.json')
    : below(environment.HOME, '.docker/config.json');
  return {
    json: [...podman, docker].filter((path) => path !== undefined),
    enroot: below(ENROOT_CONFIG_PATH || below(config, 'enroot'), '.credentials'),
  };
}

/** `$XDG_CONFIG_HOME`, or `~/.config`. */
function configHome({ XDG_CONFIG_HOME, HOME }: Environment): string | undefined {
  return XDG_CONFIG_HOME && isAbsolute(XDG_CONFIG_HOME) ? XDG_CONFIG_HOME : below(HOME, '.config');
}

function below(directory: string | undefined, name: string): string | undefined {
  return directory && isAbsolute(directory) ? join(directory, name) : undefined;
}
