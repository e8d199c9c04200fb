import type { CredentialSource } from '../registry/access.js';
import { fromAuthFile, type Wanted } from './auth-file.js';
import { fromEnrootFile } from './enroot-file.js';
import { credentialFiles, type Environment } from './locations.js';

/**
 * Credentials that the user's tools have stored, from the first place that has any: `$REGISTRY_AUTH_FILE` or else podman's
 * `$XDG_RUNTIME_DIR/containers/auth.json` and `~/.config/containers/auth.json`; `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; Enroot's
 * `.credentials`. Nothing is read before the first question, and nothing is kept. The function throws E_AUTH when a place that is asked cannot answer.
 */
export function credentialSource(environment: Environment): CredentialSource {
  return async (host, repository, username) => {
    const wanted: Wanted = { host, repository, username };
    const { json, enroot } = credentialFiles(environment);
    for (const path of json) {
      const found = await fromAuthFile(path, wanted, environment);
      if (found !== undefined) return found;
    }
    return enroot === undefined ? undefined : fromEnrootFile(enroot, wanted, environment);
  };
}
