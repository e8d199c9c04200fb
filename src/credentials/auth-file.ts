import * as v from 'valibot';
import type { Credentials } from '../registry/access.js';
import { object, record, validate } from '../schema.js';
import { askHelper } from './credential-helper.js';
import type { Environment } from './locations.js';
import { matchingKeys, serverName } from './registry-key.js';
import { readSecretFile, unusable } from './secret-file.js';

const text = v.nullish(v.string());

const entrySchema = object({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
});

const fileSchema = object({
  auths: v.nullish(record(v.string(), v.nullish(entrySchema))),
  credHelpers: v.nullish(record(v.string(), v.string())),
  credsStore: text,
});

type AuthEntry = v.InferOutput<typeof entrySchema>;

/** Whose credentials are looked for. */
export interface Wanted {
  host: string;
  repository: string;
  username?: string | undefined;
}

/**
 * What Docker's `config.json` or podman's `auth.json` has for a repository; undefined when it has nothing, or does not exist. The helper
 * that `credHelpers` names for the host stands above entries in the file, as for podman; `credsStore` is asked last, so
 * that no helper is started for what stands in the file. Throws E_AUTH.
 */
export async function fromAuthFile(
  path: string,
  wanted: Wanted,
  environment: Environment,
): Promise<Credentials | undefined> {
  const content = await readSecretFile(path);
  // `podman login` begins with an empty file.
  if (content === undefined || content.trim() === '') return undefined;
  const file = parse(content, path);
  const { host, repository } = wanted;
  const auths = file.auths ?? {};
  const keys = matchingKeys(Object.keys(auths), host, repository);
  const ask = async (name: string, field: string) => {
    const server = keys.find((key) => matchingKeys([key], host, '').length > 0);
    const helper = { name, namedBy: `${field} in ${path}` };
    const found = await askHelper(helper, server ?? serverName(host), environment);
    return belongsTo(found, wanted) ? found : undefined;
  };
  const helpers = file.credHelpers ?? {};
  const [helped] = matchingKeys(Object.keys(helpers), host, '');
  const helper = helped === undefined ? undefined : helpers[helped];
  if (helper) return ask(helper, 'credHelpers');
  for (const key of keys) {
    const found = credentialsOf(auths[key] ?? {}, key, path);
    if (found !== undefined && belongsTo(found.credentials, wanted, found.username)) {
      return found.credentials;
    }
  }
  return file.credsStore ? ask(file.credsStore, 'credsStore') : undefined;
}

function parse(content: string, path: string): v.InferOutput<typeof fileSchema> {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch {
    throw unusable(path, 'it is not JSON');
  }
  const result = validate(fileSchema, json);
  if (result.valid) return result.value;
  const fields = result.faults.map((fault) => fault.path || 'the whole');
  throw unusable(path, `${fields.slice(0, 3).join(', ')} is not what it should be`);
}

function credentialsOf(
  entry: AuthEntry,
  key: string,
  path: string,
): { credentials: Credentials; username: string } | undefined {
  const pair = pairOf(entry, key, path);
  const username = pair?.username ?? '';
  if (entry.identitytoken) return { credentials: { identityToken: entry.identitytoken }, username };
  if (entry.registrytoken) return { credentials: { registryToken: entry.registrytoken }, username };
  return pair && { credentials: pair, username };
}

/** `auth` is `USER:PASSWORD` in base64; some tools write the two as fields of their own. */
function pairOf(
  { auth, username, password }: AuthEntry,
  key: string,
  path: string,
): { username: string; password: string } | undefined {
  if (!auth) return username && password ? { username, password } : undefined;
  // Docker pads with zero bytes.
  const decoded = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = decoded.indexOf(':');
  if (colon < 1) throw unusable(path, `auths.${key}.auth is not USER:PASSWORD in base64`);
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

function belongsTo(
  credentials: Credentials | undefined,
  { username }: Wanted,
  tokenOwner?: string,
): boolean {
  if (credentials === undefined || username === undefined) return true;
  return ('username' in credentials ? credentials.username : tokenOwner) === username;
}
