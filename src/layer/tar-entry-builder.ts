import { RundleError } from '../errors.js';
import { type ByteString, fromBytes, toDisplay } from '../tree/byte-string.js';
import { droppedBy, type PaxRecord, xattrsOf } from './pax.js';
import { MAX_COMPONENT, MAX_NAME, type TarEntry, type TarKind } from './tar-entry.js';
import type { TarHeader } from './tar-header.js';
import { parseDecimal, parseTime } from './tar-number.js';

/** What stood in front of a header and changes its meaning. */
export interface HeaderExtensions {
  /** GNU `L` and `K`. */
  longName?: ByteString | undefined;
  longLink?: ByteString | undefined;
  /** Global records first, so that the last record of a key wins. */
  records: readonly PaxRecord[];
}

const KINDS: Readonly<Record<string, TarKind>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hard-link',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  // POSIX: a contiguous file may be treated as a regular one.
  '7': 'file',
  S: 'file',
};

const MAX_ID = 2 ** 32 - 1;
/** Linux' dev_t: 12 bits and 20 bits. */
const MAX_MAJOR = 2 ** 12 - 1;
const MAX_MINOR = 2 ** 20 - 1;

/**
 * The entry that a header and its extensions describe, without its data. `size` is the number of bytes that follow in the
 * archive. Throws E_FORMAT for values out of range, E_LAYER for entries that no Linux tree can hold.
 */
export function buildEntry(
  header: TarHeader,
  extensions: HeaderExtensions,
  where: string,
): TarEntry {
  const { records } = extensions;
  const name = textRecord(records, 'path') ?? extensions.longName ?? header.name;
  const linkName = textRecord(records, 'linkpath') ?? extensions.longLink ?? header.linkName;
  const subject = `${where}: the entry ${toDisplay(name.slice(0, 300) as ByteString)}`;
  const kind = kindOf(header.type, name, subject);
  checkName(name, subject);
  checkLength(linkName, subject);
  const numeric = (key: string, fallback: number) => {
    const text = textRecord(records, key);
    return text === undefined ? fallback : parseDecimal(text, `${subject}: its ${key}`);
  };
  const time = textRecord(records, 'mtime');
  const xattrs = xattrsOf(records, subject);
  const dropped = droppedBy(records);
  const isDevice = kind === 'character-device' || kind === 'block-device';
  return {
    name,
    kind,
    mode: header.mode & 0o7777,
    uid: within(numeric('uid', header.uid), MAX_ID, `${subject}: its owner`),
    gid: within(numeric('gid', header.gid), MAX_ID, `${subject}: its group`),
    mtime: time === undefined ? header.mtime : parseTime(time, `${subject}: its time`),
    linkName: kind === 'hard-link' || kind === 'symlink' ? linkName : ('' as ByteString),
    major: isDevice ? within(header.major, MAX_MAJOR, `${subject}: its major number`) : 0,
    minor: isDevice ? within(header.minor, MAX_MINOR, `${subject}: its minor number`) : 0,
    // Only files have data: readers agree that a size elsewhere is a hint, not a length.
    size:
      kind === 'file'
        ? within(numeric('size', header.size), Number.MAX_SAFE_INTEGER, `${subject}: its size`)
        : 0,
    data: [],
    ...(xattrs !== undefined && { xattrs }),
    ...(dropped.length > 0 && { dropped }),
  };
}

/** Bounds of a name, which the kernel would refuse later with less to say. Throws E_LAYER, E_FORMAT. */
export function checkName(name: ByteString, subject: string): void {
  checkLength(name, subject);
  if (name.split('/').some((component) => component.length > MAX_COMPONENT)) {
    throw new RundleError(
      'E_LAYER',
      `${subject}: a part of its name is longer than ${MAX_COMPONENT} bytes`,
    );
  }
}

function checkLength(name: ByteString, subject: string): void {
  if (name.length > MAX_NAME) {
    throw new RundleError(
      'E_LAYER',
      `${subject}: its name or link target is longer than ${MAX_NAME} bytes`,
    );
  }
  if (name.includes('\0')) {
    throw new RundleError('E_FORMAT', `${subject}: its name or link target holds a NUL byte`);
  }
}

function kindOf(type: string, name: ByteString, subject: string): TarKind {
  // Version 7 had no directories: a slash at the end made one.
  if (type === '\0' && name.endsWith('/')) return 'directory';
  const kind = KINDS[type];
  if (kind !== undefined) return kind;
  throw new RundleError(
    'E_LAYER',
    `${subject}: the entry type ${JSON.stringify(type)} has no meaning in a file tree`,
  );
}

/** The last value of `key`; an empty one takes the record back. */
function textRecord(records: readonly PaxRecord[], key: string): ByteString | undefined {
  const value = records.findLast((record) => record.key === key)?.value;
  return value === undefined || value.length === 0 ? undefined : fromBytes(value);
}

function within(value: number, maximum: number, what: string): number {
  if (value >= 0 && value <= maximum) return value;
  throw new RundleError('E_FORMAT', `${what} is ${value}, not 0 to ${maximum}`);
}
