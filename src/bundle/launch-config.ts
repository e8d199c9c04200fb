import { createHash } from 'node:crypto';
import { RundleError } from '../errors.js';
import { type ByteString, fromBytes, fromText, toBytes, toDisplay } from '../tree/byte-string.js';
import { ARCHITECTURES, type Architecture } from './architecture.js';
import { damaged } from './damage.js';

/** Most bytes that a launch config takes. */
export const LAUNCH_CONFIG_LIMIT = 1 << 20;

/** What the launcher needs in order to start a payload (stub/README.md, "Launch config"). */
export interface LaunchConfig {
  architecture: Architecture;
  /** Index of the payload section. */
  payload: number;
  /** Of the tree inside the payload, absolute. */
  root: ByteString;
  /** Identifies the tree, see treeId. */
  id: string;
  /** Bytes that the regular files take when extracted. */
  size: number;
  /** Number of inodes of the tree. */
  inodes: number;
  /** One path component. */
  name: ByteString;
  entrypoint: readonly ByteString[];
  cmd: readonly ByteString[];
  /** `KEY=VALUE`. */
  env: readonly ByteString[];
  /** Absolute. */
  workdir: ByteString;
  /** The program is started through `/etc/rc` of the image. */
  rc: boolean;
  /** Mounts baked in, in the forms that `--mount` takes. */
  mounts: readonly ByteString[];
  /** Directory baked in by `--target`; may hold `${VAR}`. */
  target?: ByteString;
  mountHome: boolean;
  mountCwd: boolean;
  /** What the host must have (src/requirement); a launcher refuses to start where it does not understand one. */
  require: readonly ByteString[];
}

const ROOT = '/' as ByteString;
const COMPONENT = /^(?!\.{1,2}$)[^/]+$/s;
const DECIMAL = /^(0|[1-9][0-9]{0,15})$/;
const INDEX_LIMIT = 2 ** 32 - 1;

/** What each key accepts; null takes any bytes. The launcher checks the same. */
const KEYS: Readonly<Record<string, { list?: true; needed?: true; form: RegExp | null }>> = {
  arch: { needed: true, form: new RegExp(`^(${ARCHITECTURES.join('|')})$`) },
  payload: { needed: true, form: DECIMAL },
  root: { needed: true, form: /^\// },
  id: { needed: true, form: /^[0-9a-f]{64}$/ },
  size: { needed: true, form: DECIMAL },
  inodes: { needed: true, form: DECIMAL },
  name: { needed: true, form: COMPONENT },
  entrypoint: { list: true, form: null },
  cmd: { list: true, form: null },
  env: { list: true, form: /^[^=]+=/ },
  workdir: { form: /^\// },
  rc: { form: /^[01]$/ },
  mount: { list: true, form: null },
  target: { form: /./s },
  'mount-home': { form: /^[01]$/ },
  'mount-cwd': { form: /^[01]$/ },
  require: { list: true, form: null },
};

/**
 * The section's bytes: `key=value` strings, each ended by NUL. Throws E_FORMAT for a value that the launcher
 * would refuse, E_UNSUPPORTED for more than 1 MiB.
 */
export function encodeLaunchConfig(config: LaunchConfig): Buffer {
  const pairs: [string, string][] = [
    ['arch', config.architecture],
    ['payload', String(config.payload)],
    ['root', config.root],
    ['id', config.id],
    ['size', String(config.size)],
    ['inodes', String(config.inodes)],
    ['name', config.name],
    ...config.entrypoint.map((value): [string, string] => ['entrypoint', value]),
    ...config.cmd.map((value): [string, string] => ['cmd', value]),
    ...config.env.map((value): [string, string] => ['env', value]),
    ['workdir', config.workdir],
    ['rc', config.rc ? '1' : '0'],
    ...config.mounts.map((value): [string, string] => ['mount', value]),
    ...(config.target === undefined ? [] : [['target', config.target] as [string, string]]),
    ['mount-home', config.mountHome ? '1' : '0'],
    ['mount-cwd', config.mountCwd ? '1' : '0'],
    ...config.require.map((value): [string, string] => ['require', value]),
  ];
  let text = '';
  for (const [key, value] of pairs) {
    if (value.includes('\0') || !accepts(key, value)) {
      throw new RundleError(
        'E_FORMAT',
        `writing the launch config: ${key} cannot be "${toDisplay(value as ByteString)}"`,
      );
    }
    text += `${key}=${value}\0`;
  }
  if (text.length > LAUNCH_CONFIG_LIMIT) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `writing the launch config: entrypoint, cmd, environment and mounts take ${text.length} bytes, at most ${LAUNCH_CONFIG_LIMIT} fit`,
    );
  }
  return toBytes(text as ByteString);
}

/** Reads a section's bytes; `where` names the bundle for messages. Throws E_BUNDLE. */
export function decodeLaunchConfig(input: Uint8Array, where: string): LaunchConfig {
  const text = fromBytes(input);
  if (text.length === 0 || text.length > LAUNCH_CONFIG_LIMIT || !text.endsWith('\0')) {
    throw damaged(where, `the launch config is damaged: ${text.length} bytes without an end`);
  }
  const values = new Map<string, ByteString[]>();
  for (const entry of text.slice(0, -1).split('\0')) readEntry(entry, values, where);
  for (const [key, { needed }] of Object.entries(KEYS)) {
    if (needed && !values.has(key)) {
      throw damaged(where, `the launch config is damaged: ${key} is missing`);
    }
  }
  const list = (key: string) => values.get(key) ?? [];
  const one = (key: string) => list(key)[0] ?? ('' as ByteString);
  const target = values.get('target')?.[0];
  return {
    architecture: one('arch') as string as Architecture,
    payload: Number(one('payload')),
    root: one('root'),
    id: one('id'),
    size: Number(one('size')),
    inodes: Number(one('inodes')),
    name: one('name'),
    entrypoint: list('entrypoint'),
    cmd: list('cmd'),
    env: list('env'),
    workdir: one('workdir') || ROOT,
    rc: one('rc') === '1',
    mounts: list('mount'),
    ...(target === undefined ? {} : { target }),
    mountHome: one('mount-home') === '1',
    mountCwd: one('mount-cwd') === '1',
    require: list('require'),
  };
}

function readEntry(entry: string, values: Map<string, ByteString[]>, where: string): void {
  const equals = entry.indexOf('=');
  const shown = toDisplay(entry.slice(0, 200) as ByteString);
  if (equals < 1) throw damaged(where, `the launch config is damaged: "${shown}"`);
  const key = entry.slice(0, equals);
  const value = entry.slice(equals + 1) as ByteString;
  if (!Object.hasOwn(KEYS, key)) {
    if (!key.startsWith('!')) return;
    throw damaged(
      where,
      `it needs "${shown}", which this rundle does not know`,
      'use a newer rundle',
    );
  }
  const before = values.get(key);
  if (!accepts(key, value) || (before !== undefined && !KEYS[key]?.list)) {
    throw damaged(where, `the launch config is damaged: "${shown}"`);
  }
  if (before === undefined) values.set(key, [value]);
  else before.push(value);
}

function accepts(key: string, value: string): boolean {
  const form = KEYS[key]?.form;
  if (form === undefined || (form !== null && !form.test(value))) return false;
  if (form !== DECIMAL) return true;
  return Number(value) <= (key === 'payload' ? INDEX_LIMIT : Number.MAX_SAFE_INTEGER);
}

/**
 * What tells an extracted tree from others, 64 lower-case hex digits: the payload's SHA-256, and where the tree is only a part of the payload, the
 * SHA-256 of those digits followed by `root`.
 */
export function treeId(payloadSha256: string, root: ByteString): string {
  if (root === ROOT) return payloadSha256;
  return createHash('sha256').update(payloadSha256).update(toBytes(root)).digest('hex');
}

/** The short name of a bundle: the output's base name without `.run`. */
export function bundleName(base: string): ByteString {
  const bare = base.length > 4 && base.endsWith('.run') ? base.slice(0, -4) : base;
  return fromText(COMPONENT.test(bare) ? bare : base);
}
