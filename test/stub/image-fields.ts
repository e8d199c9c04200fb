/**
 * Every field of a SquashFS image whose tables are not compressed (mksquashfs -noI -noId -noX -noF): what it is called
 * and where each of its bytes stands. Written here on its own, from Documentation/filesystems/squashfs.rst.
 */
export interface Field {
  /** Table, object and name: "inode 3 (file): size". */
  label: string;
  /** Position of each byte in the image, least significant first. */
  bytes: readonly number[];
  value: bigint;
}

const METADATA = 8192;
const NONE = 0xffff_ffff_ffff_ffffn;

/** Names and widths, in order. */
type Layout = readonly (readonly [name: string, width: number])[];

const SUPERBLOCK: Layout = [
  ['magic', 4],
  ['inodes', 4],
  ['time', 4],
  ['block size', 4],
  ['fragments', 4],
  ['compression', 2],
  ['block log', 2],
  ['flags', 2],
  ['ids', 2],
  ['major', 2],
  ['minor', 2],
  ['root', 8],
  ['bytes used', 8],
  ['id table', 8],
  ['xattr table', 8],
  ['inode table', 8],
  ['directory table', 8],
  ['fragment table', 8],
  ['export table', 8],
];

const COMMON: Layout = [
  ['type', 2],
  ['mode', 2],
  ['uid', 2],
  ['gid', 2],
  ['mtime', 4],
  ['number', 4],
];
const DIRECTORY: Layout = [
  ['block', 4],
  ['nlink', 4],
  ['size', 2],
  ['offset', 2],
  ['parent', 4],
];
const FILE: Layout = [
  ['start', 4],
  ['fragment', 4],
  ['fragment offset', 4],
  ['size', 4],
];
const SYMLINK: Layout = [
  ['nlink', 4],
  ['size', 4],
];
const DEVICE: Layout = [
  ['nlink', 4],
  ['device', 4],
];
const SPECIAL: Layout = [['nlink', 4]];
const XATTR: Layout = [['xattrs', 4]];
const LONG_DIRECTORY: Layout = [
  ['nlink', 4],
  ['size', 4],
  ['block', 4],
  ['parent', 4],
  ['index count', 2],
  ['offset', 2],
  ['xattrs', 4],
];
const LONG_FILE: Layout = [
  ['start', 8],
  ['size', 8],
  ['sparse', 8],
  ['nlink', 4],
  ['fragment', 4],
  ['fragment offset', 4],
  ['xattrs', 4],
];

const TYPES = ['', 'directory', 'file', 'symlink', 'block device', 'character device', 'fifo'];
const BODIES = [
  [],
  DIRECTORY,
  FILE,
  SYMLINK,
  DEVICE,
  DEVICE,
  SPECIAL,
  SPECIAL,
  LONG_DIRECTORY,
  LONG_FILE,
  SYMLINK,
  [...DEVICE, ...XATTR],
  [...DEVICE, ...XATTR],
  [...SPECIAL, ...XATTR],
  [...SPECIAL, ...XATTR],
] as const satisfies readonly Layout[];

/** Stands at a byte of a table and collects fields. */
interface Cursor {
  at: number;
  /** Position in the image of byte `at` of the table. */
  place(at: number): number;
}

const valueAt = (image: Buffer, bytes: readonly number[]): bigint =>
  bytes.reduceRight((sum, at) => (sum << 8n) | BigInt(image[at] ?? 0), 0n);

export function fieldsOf(image: Buffer): Field[] {
  const fields: Field[] = [];

  const take = (cursor: Cursor, label: string, width: number): number => {
    const bytes = Array.from({ length: width }, (_, i) => cursor.place(cursor.at + i));
    cursor.at += width;
    const value = valueAt(image, bytes);
    fields.push({ label, bytes, value });
    return Number(value);
  };
  const takeAll = (cursor: Cursor, object: string, layout: Layout): Record<string, number> =>
    Object.fromEntries(
      layout.map(([name, width]) => [name, take(cursor, `${object}: ${name}`, width)]),
    );

  /** A run of metadata blocks from `start` to `end`, none compressed: its length when decoded. */
  const openTable = (name: string, start: number, end: number): Cursor & { length: number } => {
    let length = 0;
    for (let at = start; at < end; ) {
      const header = { at: 0, place: (i: number) => at + i };
      const stored = take(header, `${name}: header of the block at ${at}`, 2);
      if ((stored & 0x8000) === 0) throw new Error(`the ${name} is compressed`);
      length += stored & 0x7fff;
      at += 2 + (stored & 0x7fff);
    }
    const place = (at: number) =>
      start + Math.floor(at / METADATA) * (METADATA + 2) + 2 + (at % METADATA);
    return { at: 0, place, length };
  };
  const openPlain = (start: number): Cursor => ({ at: 0, place: (at) => start + at });

  const superblock = takeAll(openPlain(0), 'superblock', SUPERBLOCK);
  const at = (name: string) => superblock[name] ?? 0;
  const read64 = (offset: number) => Number(image.readBigUInt64LE(offset));
  const has = (offset: number) => image.readBigUInt64LE(offset) !== NONE;
  /** A table whose blocks end where `end` says, before the list of pointers to them. */
  const entriesAt = (
    pointers: number,
    object: string,
    count: number,
    size: number,
    end = pointers,
  ) => {
    const cursor = openPlain(pointers);
    const blocks = Math.ceil((count * size) / METADATA);
    for (let i = 0; i < blocks; i++) take(cursor, `${object}: pointer ${i}`, 8);
    return openTable(object, read64(pointers), end);
  };

  const listings: { number: number; block: number; offset: number; size: number }[] = [];
  // What follows the directories first: the fragments when there are any, else the export table, else the ids.
  const after = at('fragments') > 0 ? 80 : has(88) ? 88 : 48;
  const inodes = openTable('inode table', at('inode table'), at('directory table'));
  const directories = openTable('directory table', at('directory table'), read64(read64(after)));
  while (inodes.at < inodes.length) {
    const type = image.readUInt16LE(inodes.place(inodes.at));
    const kind = TYPES[type > 7 ? type - 7 : type] ?? 'socket';
    const number = [12, 13, 14, 15].reduceRight(
      (sum, i) => sum * 256 + (image[inodes.place(inodes.at + i)] ?? 0),
      0,
    );
    const object = `inode ${number} (${kind})`;
    takeAll(inodes, object, COMMON);
    const body = takeAll(inodes, object, BODIES[type] ?? []);
    const value = (name: string) => body[name] ?? 0;
    if (kind === 'directory') {
      const { block = 0, offset = 0, size = 0 } = body;
      listings.push({ number, block, offset, size: size - 3 });
      for (let i = 0; i < value('index count'); i++) {
        take(inodes, `${object}: index ${i} position`, 4);
        take(inodes, `${object}: index ${i} block`, 4);
        inodes.at += take(inodes, `${object}: index ${i} name size`, 4) + 1;
      }
    } else if (kind === 'file') {
      const size = value('size');
      const whole = Math.floor(size / at('block size'));
      const tail = value('fragment') === 0xffff_ffff && size % at('block size') > 0 ? 1 : 0;
      for (let i = 0; i < whole + tail; i++) take(inodes, `${object}: block ${i}`, 4);
    } else if (kind === 'symlink') {
      inodes.at += value('size');
      if (type === 10) take(inodes, `${object}: xattrs`, 4);
    }
  }

  for (const listing of listings) {
    directories.at = (listing.block / (METADATA + 2)) * METADATA + listing.offset;
    const end = directories.at + listing.size;
    const object = `listing of inode ${listing.number}`;
    for (let run = 0; directories.at < end; run++) {
      const count = take(directories, `${object}: run ${run} count`, 4) + 1;
      take(directories, `${object}: run ${run} block`, 4);
      take(directories, `${object}: run ${run} number`, 4);
      for (let i = 0; i < count; i++) {
        const entry = `${object}: run ${run} entry ${i}`;
        for (const name of ['offset', 'number', 'type']) take(directories, `${entry} ${name}`, 2);
        const more = take(directories, `${entry} name size`, 2);
        take(directories, `${entry} name`, 1);
        directories.at += more;
      }
    }
  }

  if (at('fragments') > 0) {
    const fragments = entriesAt(at('fragment table'), 'fragment table', at('fragments'), 16);
    for (let i = 0; i < at('fragments'); i++) {
      take(fragments, `fragment ${i}: start`, 8);
      take(fragments, `fragment ${i}: size`, 4);
      fragments.at += 4;
    }
  }
  const ids = entriesAt(at('id table'), 'id table', at('ids'), 4);
  for (let i = 0; i < at('ids'); i++) take(ids, `id ${i}`, 4);
  if (has(56)) {
    const header = openPlain(at('xattr table'));
    const start = take(header, 'xattr table: start', 8);
    const count = take(header, 'xattr table: count', 4);
    const lists = entriesAt(at('xattr table') + 16, 'xattr lists', count, 16, at('xattr table'));
    for (let i = 0; i < count; i++)
      takeAll(lists, `xattr list ${i}`, [
        ['reference', 8],
        ['count', 4],
        ['size', 4],
      ]);
    const pairs = openTable('xattrs', start, read64(at('xattr table') + 16));
    for (let i = 0; pairs.at < pairs.length; i++) {
      take(pairs, `xattr ${i}: kind`, 2);
      pairs.at += take(pairs, `xattr ${i}: name size`, 2);
      pairs.at += take(pairs, `xattr ${i}: value size`, 4);
    }
  }
  return fields;
}

/** The fields of the superblock alone, of any image. */
export function superblockOf(image: Buffer): Field[] {
  let next = 0;
  return SUPERBLOCK.map(([name, width]) => {
    const bytes = Array.from({ length: width }, (_, i) => next + i);
    next += width;
    return { label: `superblock: ${name}`, bytes, value: valueAt(image, bytes) };
  });
}

/** Values at which checks turn, and the neighbours of what is there; never what is there. */
export function tellingValues({ bytes, value }: Field): bigint[] {
  const all = (1n << BigInt(8 * bytes.length)) - 1n;
  const half = all >> 1n;
  const values = [0n, 1n, half, half + 1n, all - 2n, all, value + 1n, value - 1n, value ^ 0x8000n];
  if (bytes.length === 8) values.push((1n << 48n) - 1n);
  if (bytes.length === 1) values.push(0x2fn, 0x2en);
  return [...new Set(values.map((telling) => telling & all))].filter(
    (telling) => telling !== value,
  );
}
