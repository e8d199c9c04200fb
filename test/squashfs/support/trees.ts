import { createHash } from 'node:crypto';
import { type ByteString, fromBytes, fromText } from '#rundle/tree/byte-string.js';
import {
  type Directory,
  emptyDirectory,
  type Metadata,
  memoryFile,
  type Node,
  type RegularFile,
} from '#rundle/tree/node.js';

export const plain: Metadata = { mode: 0o644, uid: 0, gid: 0, mtime: 1_700_000_000 };

/** A directory from names (text) and nodes. */
export function directory(
  children: Record<string, Node>,
  metadata: Partial<Metadata> = {},
): Directory {
  const entries = Object.entries(children).map(([name, node]) => [fromText(name), node] as const);
  return { ...emptyDirectory(), mtime: 1_600_000_000, ...metadata, children: new Map(entries) };
}

export function file(content: string | Uint8Array, metadata: Partial<Metadata> = {}): RegularFile {
  return memoryFile(Buffer.from(content), { ...plain, ...metadata });
}

/** A file of `size` bytes with `content` at the positions given; the rest are holes. */
export function sparseFile(size: number, parts: Record<number, Uint8Array>): RegularFile {
  const extents = Object.entries(parts).map(([at, bytes]) => ({
    at: Number(at),
    length: bytes.length,
    data: { kind: 'memory' as const, bytes },
    offset: 0,
  }));
  return { kind: 'file', ...plain, size, extents };
}

export function symlink(target: string, metadata: Partial<Metadata> = {}): Node {
  return { kind: 'symlink', ...plain, mode: 0o777, ...metadata, target: fromText(target) };
}

/** Bytes that do not compress, the same each time. */
export function noise(length: number, seed: string): Buffer {
  const bytes = Buffer.alloc(length);
  let block = createHash('sha256').update(seed).digest();
  for (let at = 0; at < length; at += block.length) {
    block.copy(bytes, at);
    block = createHash('sha256').update(block).digest();
  }
  return bytes;
}

/** Text that compresses well, but not to nothing. */
export function text(length: number, seed: string): Buffer {
  const lines: string[] = [];
  for (let i = 0, size = 0; size < length; i++) {
    const line = `${seed} line ${i} of ${(i * 7919) % 1009}\n`;
    size += line.length;
    lines.push(line);
  }
  return Buffer.from(lines.join('')).subarray(0, length);
}

export function attributes(values: Record<string, string>): Map<ByteString, Uint8Array> {
  return new Map(Object.entries(values).map(([name, v]) => [fromText(name), Buffer.from(v)]));
}

/** One of everything the format has, in short and in long form. Data goes through all paths with blocks of 4 KiB. */
export function sampleTree(): Directory {
  const shared = file('shared by three names\n', { mode: 0o600 });
  const linkedFifo: Node = { kind: 'fifo', ...plain };
  const xattrs = attributes({ 'user.note': 'one set', 'security.rundle': 'of two' });
  return directory(
    {
      empty: file(''),
      small: file('a small file\n', { mode: 0o4755, uid: 3_000_000_000, gid: 70_000 }),
      'small-twin': file('a small file\n', { mtime: 5 }),
      text: file(text(30_000, 'sample')),
      noise: file(noise(9000, 'sample')),
      'exactly-one-block': file(text(4096, 'block')),
      hole: sparseFile(20_000, { 5000: Buffer.from('in the middle') }),
      'only-hole': sparseFile(8192, {}),
      'zeros-and-end': file(Buffer.concat([Buffer.alloc(8192), Buffer.from('end')])),
      dir: directory({ one: shared, sub: directory({ two: shared }) }, { mode: 0o1777, xattrs }),
      three: shared,
      'empty-dir': directory({}),
      many: directory(
        Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`name-${i}`, file(`${i % 9}`)])),
      ),
      link: symlink('dir/one'),
      'long-link': symlink('x/'.repeat(2000), { xattrs: attributes({ 'trusted.t': 'link' }) }),
      block: { kind: 'block-device', ...plain, major: 4095, minor: 1_048_575 },
      char: { kind: 'character-device', ...plain, major: 1, minor: 3 },
      'char-x': {
        kind: 'character-device',
        ...plain,
        major: 5,
        minor: 300,
        xattrs: attributes({ 'trusted.c': 'c' }),
      },
      fifo: linkedFifo,
      'fifo-again': linkedFifo,
      socket: { kind: 'socket', ...plain, mode: 0o700 },
      'with-xattrs': file('attributes', { xattrs }),
      'with-other': file('others', {
        xattrs: new Map([[fromText('user.bytes'), noise(1500, 'value')]]),
      }),
      'same-xattrs': file('attributes too', { xattrs: new Map([...xattrs].reverse()) }),
      'first-second': file('x', { mtime: 0 }),
      'last-second': file('x', { mtime: 0xffff_ffff }),
    },
    { mode: 0o755 },
  );
}

/** Names that are not UTF-8, with every byte that a name can have, and of the greatest length. */
export function oddNames(): Map<ByteString, Node> {
  const children = new Map<ByteString, Node>();
  for (let byte = 1; byte < 256; byte++) {
    if (byte === 0x2f || byte === 0x2e) continue;
    children.set(fromBytes(Buffer.from([byte])), file(`byte ${byte}`));
    children.set(fromBytes(Buffer.alloc(255, byte)), file(`bytes ${byte}`));
  }
  return children;
}
