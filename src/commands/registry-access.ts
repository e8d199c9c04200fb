import { credentialSource } from '../credentials/credential-source.js';
import { RundleError } from '../errors.js';
import { mirrorSource } from '../mirrors/mirror-source.js';
import type { CredentialSource, RegistryAccess } from '../registry/access.js';
import { readCertificates } from '../registry/certificates.js';
import { parseReference } from '../registry/reference.js';
import { parseSource } from '../source/open.js';
import type { Environment } from './environment.js';
import type { OptionRow } from './option.js';

const GROUP = 'Registries';

/** The options of every command that takes an image from a registry. */
export const REGISTRY_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--username <NAME>',
    text: "who you are for the source's registry; by default what docker login and podman login have kept",
    group: GROUP,
  },
  {
    flags: '--password-stdin',
    text: 'read the password or token of --username from standard input',
    group: GROUP,
  },
  {
    flags: '--cacert <FILE>',
    text: 'trust the certificates in this file too, in PEM',
    group: GROUP,
    repeatable: true,
  },
  {
    flags: '--insecure',
    text: 'accept plain HTTP and certificates that cannot be verified',
    group: GROUP,
  },
];

/** The values of REGISTRY_OPTIONS as commander gives them. */
export interface RegistryValues {
  username?: string;
  passwordStdin?: true;
  cacert?: string[];
  insecure?: true;
}

/** More is no password or token. */
const MAX_PASSWORD = 64 * 1024;

/**
 * How the registries of a build are reached: by options, then by what the environment says. `input` is standard input. Throws E_USAGE for
 * options that do not fit together or the source.
 */
export async function registryAccess(
  source: string,
  values: RegistryValues,
  environment: Environment,
  input: AsyncIterable<Uint8Array>,
): Promise<RegistryAccess> {
  const { transport, location } = parseSource(source);
  const { username, passwordStdin, cacert, insecure } = values;
  const given = username ?? passwordStdin ?? cacert ?? insecure;
  if (transport !== 'docker' && given !== undefined) {
    throw new RundleError(
      'E_USAGE',
      '--username, --password-stdin, --cacert and --insecure are for docker:// alone',
    );
  }
  if (passwordStdin && username === undefined) {
    throw new RundleError('E_USAGE', '--password-stdin needs --username');
  }
  const certificates = (cacert ?? []).map((path) => readCertificates(path, '--cacert'));
  const stored = credentialSource(environment);
  return {
    credentials:
      username === undefined
        ? stored
        : await forUser(
            username,
            passwordStdin,
            parseReference(location.slice(2)).host,
            stored,
            input,
          ),
    mirrors: mirrorSource(environment),
    certificates: await Promise.all(certificates),
    insecure: insecure ?? false,
    environment,
  };
}

/** What the options say, for the host of the source alone; other hosts, such as mirrors, get what is stored for them. */
async function forUser(
  username: string,
  hasPassword: true | undefined,
  owner: string,
  stored: CredentialSource,
  input: AsyncIterable<Uint8Array>,
): Promise<CredentialSource> {
  if (username === '' || /[:\p{Cc}]/u.test(username)) {
    throw new RundleError('E_USAGE', '--username is empty, or has a colon or a control character');
  }
  if (!hasPassword) {
    return async (host, repository, named) => {
      return stored(host, repository, host === owner ? username : named);
    };
  }
  const password = await readPassword(input);
  return async (host, repository, named) => {
    return host === owner ? { username, password } : stored(host, repository, named);
  };
}

/** All of standard input without the newline at its end, as `docker login` reads it. */
async function readPassword(input: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > MAX_PASSWORD) {
      throw new RundleError('E_USAGE', 'reading the password from standard input: it is too long');
    }
    parts.push(chunk);
  }
  const password = Buffer.concat(parts)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (password !== '') return password;
  throw new RundleError('E_USAGE', 'reading the password from standard input: it is empty', {
    hint: 'for example: rundle build --username NAME --password-stdin docker://... < token.txt',
  });
}
