import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRundleError } from '#rundle/errors.js';
import { type ByteString, fromText } from '#rundle/tree/byte-string.js';
import { type Directory, emptyDirectory, memoryFile, type Node } from '#rundle/tree/node.js';
import { insert, locate, lookup, makeDirectories } from '#rundle/tree/path.js';

const attributes = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
const file = (text = ''): Node => memoryFile(Buffer.from(text), attributes);
const link = (target: string): Node => ({
  kind: 'symlink',
  ...attributes,
  target: fromText(target),
});

/** A tree from nested objects. */
function tree(entries: Record<string, Node>): Directory {
  return {
    ...emptyDirectory(),
    children: new Map(Object.entries(entries).map(([name, node]) => [fromText(name), node])),
  };
}

const b = fromText;

describe('lookup', () => {
  const target = file('x');
  const root = tree({
    usr: tree({ lib: tree({ a: target, up: link('../..') }), abs: link('/usr/lib') }),
    lib: link('usr/lib'),
    out: link('../../../usr/lib/a'),
    top: link('/'),
    loop: link('loop2'),
    loop2: link('loop'),
    dangling: link('/nowhere/at/all'),
  });

  it('follows links in parents and at the end, inside the tree only', () => {
    for (const path of [
      '/usr/lib/a',
      'usr//lib/./a',
      '/lib/a',
      '/usr/abs/a',
      '/out',
      '/top/lib/a',
      '/usr/lib/up/lib/a',
      '/../../lib/a',
      '/usr/../lib/a',
      '/lib/../lib/a',
    ]) {
      expect(lookup(root, b(path)), path).toBe(target);
    }
    expect(lookup(root, b('/'))).toBe(root);
    expect(lookup(root, b('/lib/../..'))).toBe(root);
    expect(lookup(root, b('/top'))).toBe(root);
  });

  it('gives nothing for what is not there', () => {
    for (const path of ['/nope', '/nope/x', '/dangling', '/dangling/x']) {
      expect(lookup(root, b(path)), path).toBeUndefined();
    }
  });

  it('says where a name really is', () => {
    expect(locate(root, b('/usr/abs/new'))).toMatchObject({ path: 'usr/lib/new', name: 'new' });
    expect(locate(root, b('/lib'))?.node?.kind).toBe('symlink');
    expect(locate(root, b('/lib'), { followLast: true })).toMatchObject({ path: 'usr/lib' });
    expect(locate(root, b('/usr/lib/up'), { followLast: true })).toMatchObject({
      path: '',
      node: root,
    });
  });

  it('refuses loops and files in the way', () => {
    for (const path of ['/loop', '/loop/x', '/usr/lib/a/x', '/lib/a/..']) {
      expect(() => lookup(root, b(path)), path).toThrowError(/^resolving /);
    }
  });
});

describe('makeDirectories and insert', () => {
  it('make missing parents as no layer lists them: 0755, 0:0, mtime 0', () => {
    const root = tree({});
    insert(root, b('/a/b/c'), file('x'));
    expect(lookup(root, b('/a/b'))).toMatchObject({ mode: 0o755, uid: 0, gid: 0, mtime: 0 });
    expect(lookup(root, b('/a/b/c'))).toMatchObject({ kind: 'file', size: 1 });
  });

  it('follow links in parents, also dangling ones', () => {
    const root = tree({ a: link('/b/c'), d: link('../x'), e: tree({}) });
    insert(root, b('/a/f'), file());
    expect(lookup(root, b('/b/c/f'))?.kind).toBe('file');
    makeDirectories(root, b('/d/y'));
    expect(lookup(root, b('/x/y'))?.kind).toBe('directory');
    expect(makeDirectories(root, b('/'))).toBe(root);
    expect(makeDirectories(root, b('/e/..'))).toBe(root);
  });

  it('replace what stands under the last name, a link itself', () => {
    const old = file('old');
    const root = tree({ real: old, name: link('real') });
    insert(root, b('/name'), file('new'));
    expect(root.children.get(b('real'))).toBe(old);
    expect(root.children.get(b('name'))).toMatchObject({ kind: 'file', size: 3 });
  });

  it('refuse a file in the way and the root', () => {
    const root = tree({ a: file() });
    expect(() => makeDirectories(root, b('/a/b'))).toThrowError('/a is not a directory');
    expect(() => makeDirectories(root, b('/a'))).toThrowError('/a is not a directory');
    expect(() => insert(root, b('/'), file())).toThrowError('no name');
  });

  it('keep names that are not UTF-8', () => {
    const root = tree({});
    const path = '/\xff\xfe/x' as ByteString;
    insert(root, path, file());
    expect(lookup(root, path)?.kind).toBe('file');
    expect([...root.children.keys()]).toEqual(['\xff\xfe']);
  });

  it('end, and throw nothing but E_FORMAT, whatever the links are', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const target = fc
      .array(fc.constantFrom('a', 'b', 'c', '..', '.', ''), { maxLength: 5 })
      .map((names) => names.join('/'));
    const shape = fc.dictionary(
      name,
      fc.oneof(target.map(link), fc.constant('directory'), fc.constant('file')),
    );
    fc.assert(
      fc.property(shape, shape, target, (top, below, path) => {
        const node = (what: Node | string): Node =>
          typeof what !== 'string' ? what : what === 'file' ? file() : tree({});
        const inner = Object.fromEntries(
          Object.entries(below).map(([key, what]) => [key, node(what)]),
        );
        const entries = Object.entries(top).map(([key, what]): [string, Node] => [
          key,
          what === 'directory' ? tree(inner) : node(what),
        ]);
        const root = tree(Object.fromEntries(entries));
        for (const action of [
          () => lookup(root, b(path)),
          () => makeDirectories(root, b(path)),
          () => insert(root, b(path), file()),
        ]) {
          try {
            action();
          } catch (error) {
            if (!isRundleError(error, 'E_FORMAT')) throw error;
          }
        }
      }),
    );
  });
});
