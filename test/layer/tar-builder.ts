/**
 * Writes tar archives byte by byte, so that tests can say exactly what stands in a header, including
 * what no real tool would write. Not a reader: what is written here is judged by the code under test
 * and by real tools.
 */
export type Bytes = string | Uint8Array;

export interface HeaderFields {
  name?: Bytes;
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  mtime?: number;
  /** One character, "\0" for a version 7 regular file. */
  type?: string;
  linkName?: Bytes;
  major?: number;
  minor?: number;
  prefix?: Bytes;
  /** `v7` has no magic at all. */
  format?: 'v7' | 'ustar' | 'gnu';
  /** Last word on the header's bytes, before the checksum is made. */
  patch?: (header: Buffer) => void;
  /** Write this checksum instead of the right one. */
  checksum?: number;
}

export interface EntryFields extends HeaderFields {
  content?: Bytes;
  /** PAX records of this entry, in order, values as bytes; names that are too long are added. */
  pax?: [string, Bytes][];
}

const BLOCK = 512;

function bytesOf(value: Bytes): Buffer {
  return typeof value === 'string' ? Buffer.from(value, 'utf8') : Buffer.from(value);
}

/** `value` in `width` bytes: octal where it fits, GNU base-256 otherwise. */
export function tarNumber(value: number, width: number): Buffer {
  const field = Buffer.alloc(width);
  if (value >= 0 && value < 8 ** (width - 1)) {
    field.write(value.toString(8).padStart(width - 1, '0'), 'latin1');
    return field;
  }
  let rest = BigInt(value);
  for (let at = width - 1; at >= 0; at -= 1) {
    field[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  field[0] = value < 0 ? 0xff : 0x80;
  return field;
}

/** One 512-byte header. */
export function tarHeader(fields: HeaderFields): Buffer {
  const header = Buffer.alloc(BLOCK);
  const put = (value: Bytes, at: number, length: number) =>
    bytesOf(value).copy(header, at, 0, length);
  put(fields.name ?? '', 0, 100);
  put(tarNumber(fields.mode ?? 0o644, 8), 100, 8);
  put(tarNumber(fields.uid ?? 0, 8), 108, 8);
  put(tarNumber(fields.gid ?? 0, 8), 116, 8);
  put(tarNumber(fields.size ?? 0, 12), 124, 12);
  put(tarNumber(fields.mtime ?? 0, 12), 136, 12);
  put(fields.type ?? '0', 156, 1);
  put(fields.linkName ?? '', 157, 100);
  const format = fields.format ?? 'ustar';
  if (format !== 'v7') {
    put(format === 'gnu' ? 'ustar  \0' : 'ustar\x0000', 257, 8);
    put(tarNumber(fields.major ?? 0, 8), 329, 8);
    put(tarNumber(fields.minor ?? 0, 8), 337, 8);
    put(fields.prefix ?? '', 345, 155);
  }
  fields.patch?.(header);
  header.fill(' ', 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${(fields.checksum ?? sum).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** Zeros up to the next multiple of 512. */
export function tarPadding(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}

/** A header with its content behind it, padded. */
export function tarMember(fields: HeaderFields, content: Bytes = ''): Buffer {
  const bytes = bytesOf(content);
  return Buffer.concat([
    tarHeader({ size: bytes.length, ...fields }),
    bytes,
    tarPadding(bytes.length),
  ]);
}

/** The body of a PAX extended header. */
export function paxRecords(records: [string, Bytes][]): Buffer {
  const parts = records.map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), bytesOf(value), Buffer.from('\n')]);
    let length = rest.length + 1;
    while (String(length).length + rest.length !== length) {
      length = String(length).length + rest.length;
    }
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  return Buffer.concat(parts);
}

/** An `x` (or with `type`, a `g`) member. */
export function paxMember(records: [string, Bytes][], type = 'x'): Buffer {
  return tarMember({ name: 'PaxHeaders/entry', type }, paxRecords(records));
}

/** A GNU `L` or `K` member: the next entry's long name or link target. */
export function gnuLongMember(type: 'L' | 'K', value: Bytes): Buffer {
  const content = Buffer.concat([bytesOf(value), Buffer.alloc(1)]);
  return tarMember({ name: '././@LongLink', type, format: 'gnu' }, content);
}

/** A complete entry: PAX header if one is needed or given, header, content. */
export function tarEntry(fields: EntryFields): Buffer {
  const { content, pax = [], ...header } = fields;
  const records: [string, Bytes][] = [...pax];
  const has = (key: string) => pax.some(([name]) => name === key);
  if (bytesOf(fields.name ?? '').length > 100 && !has('path')) {
    records.push(['path', fields.name ?? '']);
  }
  if (bytesOf(fields.linkName ?? '').length > 100 && !has('linkpath')) {
    records.push(['linkpath', fields.linkName ?? '']);
  }
  const member = tarMember(header, content ?? '');
  return records.length === 0 ? member : Buffer.concat([paxMember(records), member]);
}

/** Entries (or raw bytes) and the end-of-archive mark. */
export function tarArchive(entries: readonly (EntryFields | Buffer)[]): Buffer {
  const parts = entries.map((entry) => (Buffer.isBuffer(entry) ? entry : tarEntry(entry)));
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}
