import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ByteString, fromBytes } from '#rundle/tree/byte-string.js';
import type { Directory, Metadata, Node, RegularFile } from '#rundle/tree/node.js';
import {
  attributesBelow,
  attributesOf,
  describeDisk,
  describeTree,
  inScratch,
  mounted,
  pack,
  unsquashed,
} from './support/judge.js';
import { noise, text } from './support/trees.js';

const names: fc.Arbitrary<ByteString> = fc
  .uint8Array({ minLength: 1, maxLength: 255 })
  .map((bytes) => fromBytes(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))))
  .filter((name) => name !== '.' && name !== '..');

const xattrs = fc
  .dictionary(
    fc.constantFrom('user.a', 'user.b', 'trusted.c', 'security.d'),
    fc.uint8Array({ maxLength: 300 }),
    { maxKeys: 3 },
  )
  .map((values) => new Map(Object.entries(values) as [ByteString, Uint8Array][]));

const metadata: fc.Arbitrary<Metadata> = fc.record(
  {
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.nat(0xffff_fffe),
    gid: fc.nat(0xffff_fffe),
    // What the file systems below the tests can hold, too.
    mtime: fc.integer({ min: 0, max: 0x7fff_ffff }),
    xattrs,
  },
  { requiredKeys: ['mode', 'uid', 'gid', 'mtime'] },
);

/** Linux takes user attributes on files and directories only. */
const special: fc.Arbitrary<Metadata> = metadata.map(({ xattrs: _, ...rest }) => rest);

/** Few seeds, so that equal contents are common; sizes around blocks of 4 KiB. */
const contents = fc
  .tuple(
    fc.constantFrom('zeros', 'noise', 'text'),
    fc.oneof(fc.nat(200), fc.constantFrom(4095, 4096, 4097, 8192), fc.nat(70_000)),
    fc.nat(1),
  )
  .map(([kind, size, seed]) => {
    if (kind === 'zeros') return Buffer.alloc(size);
    return kind === 'noise' ? noise(size, `${seed}`) : text(size, `${seed}`);
  });

const files: fc.Arbitrary<Node> = fc
  .tuple(metadata, fc.array(fc.tuple(fc.nat(20_000), contents), { maxLength: 3 }), fc.nat(5000))
  .map(([facts, parts, end]) => {
    let at = 0;
    const extents = [];
    for (const [gap, bytes] of parts) {
      if (bytes.length === 0) continue;
      const data = { kind: 'memory' as const, bytes };
      extents.push({ at: at + gap, length: bytes.length, data, offset: 0 });
      at += gap + bytes.length;
    }
    return { kind: 'file', ...facts, size: at + end, extents };
  });

const others: fc.Arbitrary<Node> = fc
  .oneof(
    fc.record({ kind: fc.constant('symlink' as const), facts: special, target: names }),
    fc.record({ kind: fc.constantFrom('fifo' as const, 'socket' as const), facts: special }),
    fc.record({
      kind: fc.constantFrom('block-device' as const, 'character-device' as const),
      facts: special,
      major: fc.nat(0xfff),
      minor: fc.nat(0xf_ffff),
    }),
  )
  .map(({ facts, ...rest }) => {
    const mode = rest.kind === 'symlink' ? 0o777 : facts.mode;
    return { ...facts, mode, ...rest } as Node;
  });

const { directories } = fc.letrec<{ directories: Directory; nodes: Node }>((tie) => ({
  nodes: fc.oneof({ depthSize: 'small', withCrossShrink: true }, files, others, tie('directories')),
  directories: fc
    .tuple(metadata, fc.array(fc.tuple(names, tie('nodes')), { maxLength: 12 }))
    .map(([facts, children]) => ({ kind: 'directory', ...facts, children: new Map(children) })),
}));

/** A tree in which some names are added for nodes that stand elsewhere. */
const trees = fc
  .tuple(directories, fc.array(fc.tuple(fc.nat(), fc.nat(), names), { maxLength: 6 }))
  .map(([root, links]) => {
    const folders: Directory[] = [];
    const leaves: Node[] = [];
    const visit = (node: Node) => {
      if (node.kind !== 'directory') return leaves.push(node);
      folders.push(node);
      for (const child of node.children.values()) visit(child);
      return 0;
    };
    visit(root);
    for (const [from, to, name] of links) {
      const leaf = leaves[from % Math.max(1, leaves.length)];
      const folder = folders[to % folders.length] as Directory;
      if (leaf !== undefined && !folder.children.has(name)) folder.children.set(name, leaf);
    }
    return root;
  });

test('any tree comes out as it went in', () =>
  fc.assert(
    fc.asyncProperty(
      trees,
      fc.constantFrom(4096, 65_536, 1_048_576),
      fc.constantFrom(1, 2, 3),
      async (root, blockSize, workers) =>
        inScratch(async (scratch) => {
          const payload = await pack(scratch, root, { blockSize, workers, level: 1 });
          const expected = describeTree(root);
          await mounted(payload, (mount) => {
            expect(describeDisk(mount)).toEqual(expected);
            const attributes = [...attributesOf(root).values()].sort();
            // Without any, the payload has no table for them, and the kernel knows no attributes.
            if (attributes.length === 0) return;
            expect([...attributesBelow(mount).values()].sort()).toEqual(attributes);
          });
          await unsquashed(payload, (disk) => expect(describeDisk(disk)).toEqual(expected));
        }),
    ),
    { numRuns: 40 },
  ));

test('the bytes do not depend on the workers', () =>
  fc.assert(
    fc.asyncProperty(fc.array(files, { maxLength: 40 }), async (nodes) =>
      inScratch(async (scratch) => {
        const children = new Map(nodes.map((node, i) => [`f${i}` as ByteString, node]));
        const facts = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };
        const root: Directory = { kind: 'directory', ...facts, children };
        const rawFirst = nodes.slice(3, 5) as RegularFile[];
        const one = await pack(scratch, root, { blockSize: 4096, workers: 1, rawFirst });
        const three = await pack(scratch, root, { blockSize: 4096, workers: 3, rawFirst });
        expect(three.sha256).toBe(one.sha256);
      }),
    ),
    { numRuns: 10 },
  ));
