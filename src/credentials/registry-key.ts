/** Docker Hub under the names it has in files of credentials; references call it `docker.io`. */
const DOCKER_HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

/** What Docker's own files and helpers call Docker Hub. */
const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/';

/** What a key in a file of credentials stands for: a host, or a part of its repositories. */
interface Scope {
  host: string;
  /** A path prefix without slashes at its ends; empty for all of the host. */
  path: string;
}

/**
 * Understands keys as `docker login` and `podman login` write them: `HOST[:PORT]`, `HOST/PATH` (podman), and URLs such as
 * `https://index.docker.io/v1/` (old versions of Docker), of which only the host counts.
 */
function scopeOf(key: string): Scope {
  const rest = key.replace(/^https?:\/\//, '');
  const slash = rest.indexOf('/');
  const host = (slash < 0 ? rest : rest.slice(0, slash)).toLowerCase();
  const path = slash < 0 ? '' : rest.slice(slash + 1).replace(/\/+$/, '');
  const isUrl = rest !== key;
  return {
    host: DOCKER_HUB.includes(host) ? 'docker.io' : host,
    path: isUrl || path === 'v1' || path === 'v2' ? '' : path,
  };
}

/**
 * The keys that apply to a repository, the one for the longest part of its path first: containers-auth.json(5). Among equals a plain
 * key stands before a URL.
 */
export function matchingKeys(keys: readonly string[], host: string, repository: string): string[] {
  const matches: { key: string; path: string }[] = [];
  for (const key of keys) {
    const scope = scopeOf(key);
    if (scope.host !== host.toLowerCase()) continue;
    const { path } = scope;
    if (path === '' || repository === path || repository.startsWith(`${path}/`)) {
      matches.push({ key, path });
    }
  }
  const isUrl = (key: string) => Number(key.includes('://'));
  matches.sort((a, b) => b.path.length - a.path.length || isUrl(a.key) - isUrl(b.key));
  return matches.map(({ key }) => key);
}

/** What a credential helper is asked for when no file says under which name a host was stored. */
export function serverName(host: string): string {
  return host === 'docker.io' ? DOCKER_HUB_SERVER : host;
}

/** The names a host may have in Enroot's file. There Docker Hub goes by the name of its token server. */
export function machineNames(host: string): string[] {
  if (host === 'docker.io') return ['auth.docker.io', ...DOCKER_HUB];
  const withoutPort = host.replace(/:\d+$/, '');
  return withoutPort === host ? [host] : [host, withoutPort];
}
