import { RundleError } from '../errors.js';
import { type ByteString, fromBytes } from '../tree/byte-string.js';

/** A PAX record: the order matters for sparse maps, and a value may hold any byte. */
export interface PaxRecord {
  key: ByteString;
  value: Uint8Array;
}

/**
 * The records of a PAX extended header (POSIX.1-2017, pax, "pax Extended Header"): `LENGTH KEY=VALUE\n` each. Throws E_FORMAT;
 * `where` says which archive.
 */
export function parsePax(body: Uint8Array, where: string): PaxRecord[] {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < body.length) {
    const blank = body.indexOf(0x20, at);
    const digits = blank < 0 || blank - at > 8 ? '' : fromBytes(body.subarray(at, blank));
    const length = /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = body.indexOf(0x3d, blank);
    if (end > body.length || equals <= blank + 1 || equals >= end || body[end - 1] !== 0x0a) {
      throw new RundleError('E_FORMAT', `${where}: a PAX extended header is malformed`);
    }
    // A copy: the body's buffer is large and this value may outlive it.
    const value = Uint8Array.from(body.subarray(equals + 1, end - 1));
    records.push({ key: fromBytes(body.subarray(blank + 1, equals)), value });
    at = end;
  }
  return records;
}

const SCHILY = 'SCHILY.xattr.';
const LIBARCHIVE = 'LIBARCHIVE.xattr.';
const MAX_XATTR_NAME = 255;
const MAX_XATTR_VALUE = 65_536;

/**
 * The extended attributes among `records`: star's and GNU tar's notation (raw bytes), libarchive's (base64, key
 * percent-encoded) where the first has none, and GNU tar's SELinux label. Throws E_FORMAT for a name or
 * value that Linux has no room for.
 */
export function xattrsOf(
  records: readonly PaxRecord[],
  where: string,
): Map<ByteString, Uint8Array> | undefined {
  const found = new Map<ByteString, Uint8Array>();
  for (const { key, value } of records) {
    if (!key.startsWith(LIBARCHIVE)) continue;
    const name = percentDecoded(key.slice(LIBARCHIVE.length));
    found.set(name, Uint8Array.from(Buffer.from(fromBytes(value), 'base64')));
  }
  for (const { key, value } of records) {
    if (key.startsWith(SCHILY)) found.set(key.slice(SCHILY.length) as ByteString, value);
    if (key === 'RHT.security.selinux') found.set('security.selinux' as ByteString, value);
  }
  for (const [name, value] of found) {
    if (
      name.length === 0 ||
      name.length > MAX_XATTR_NAME ||
      name.includes('\0') ||
      value.length > MAX_XATTR_VALUE
    ) {
      throw new RundleError(
        'E_FORMAT',
        `${where}: an extended attribute has no name, or a name over ${MAX_XATTR_NAME} or a value over ${MAX_XATTR_VALUE} bytes`,
      );
    }
  }
  return found.size === 0 ? undefined : found;
}

/** What `records` hold that a tree cannot: ACLs as text need the archive's user database. */
export function droppedBy(records: readonly PaxRecord[]): string[] {
  return records.some(({ key }) => key.startsWith('SCHILY.acl.')) ? ['POSIX ACL'] : [];
}

function percentDecoded(text: string): ByteString {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  ) as ByteString;
}
