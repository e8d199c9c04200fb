import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Bytes that look random, the same each time. */
export function noise(length: number, seed: string): Buffer {
  const bytes = Buffer.alloc(length);
  let block = createHash('sha256').update(seed).digest();
  for (let at = 0; at < length; at += block.length) {
    block.copy(bytes, at);
    block = createHash('sha256').update(block).digest();
  }
  return bytes;
}

/** A tree with one of everything that a payload can hold; needs root. */
export function makeSampleTree(root: string): void {
  const at = (name: string) => join(root, name);
  mkdirSync(root);
  for (const name of [
    'sizes',
    'links',
    'links/more',
    'holes',
    'special',
    'modes',
    'many',
    'xattrs',
    'names',
  ])
    mkdirSync(at(name));
  for (const size of [0, 1, 100, 4095, 4096, 4097, 131072, 131073, 1048576, 1048581])
    writeFileSync(at(`sizes/${size}`), noise(size, String(size)));
  // Larger than what one thread writes alone.
  writeFileSync(
    at('sizes/large'),
    Buffer.concat([noise(9 << 20, 'a'), Buffer.alloc(3 << 20, 'text '), noise(77, 'b')]),
  );
  for (let i = 0; i < 30; i++) writeFileSync(at(`sizes/small-${i}`), `file ${i}\n`.repeat(i * 50));
  writeFileSync(at('sizes/twin'), noise(131073, '131073'));

  writeFileSync(at('links/one'), noise(10000, 'link'));
  linkSync(at('links/one'), at('links/more/two'));
  linkSync(at('links/one'), at('a-first-name'));
  symlinkSync('nowhere', at('links/symlink'));
  linkSync(at('links/symlink'), at('links/more/same-symlink'));
  symlinkSync(`${'long/'.repeat(700)}target`, at('links/long'));
  symlinkSync('/etc/passwd', at('links/absolute'));

  writeFileSync(at('holes/end'), noise(5000, 'hole'));
  truncateSync(at('holes/end'), 3 << 20);
  truncateSync(at('holes/end'), 3 << 20);
  writeFileSync(at('holes/all'), '');
  truncateSync(at('holes/all'), (40 << 20) + 5);
  execFileSync('dd', [
    `of=${at('holes/middle')}`,
    'if=/dev/urandom',
    'bs=1M',
    'count=1',
    'seek=3',
    'status=none',
  ]);

  execFileSync('mknod', [at('special/character'), 'c', '259', '70000']);
  execFileSync('mknod', [at('special/block'), 'b', '8', '1']);
  execFileSync('mkfifo', [at('special/fifo')]);
  linkSync(at('special/fifo'), at('special/same-fifo'));
  linkSync(at('special/block'), at('special/same-block'));
  chmodSync(at('special/fifo'), 0o622);

  for (const mode of [0o000, 0o444, 0o555, 0o777, 0o4755, 0o2711, 0o1600]) {
    const name = mode.toString(8);
    writeFileSync(at(`modes/file-${name}`), name);
    mkdirSync(at(`modes/directory-${name}`));
    writeFileSync(at(`modes/directory-${name}/inside`), name);
    chownSync(at(`modes/file-${name}`), 1000, mode + 1);
    chownSync(at(`modes/directory-${name}`), 4_000_000_000, 65534);
    chmodSync(at(`modes/file-${name}`), mode);
    chmodSync(at(`modes/directory-${name}`), mode);
  }
  for (let i = 0; i < 3000; i++)
    writeFileSync(at(`many/an entry with a rather long name ${i}`), '');

  const setXattr = (name: string, key: string, value: string) =>
    execFileSync('setfattr', ['-h', '-n', key, '-v', value, at(name)]);
  for (const name of ['one', 'two', 'three']) writeFileSync(at(`xattrs/${name}`), name);
  mkdirSync(at('xattrs/directory'));
  symlinkSync('one', at('xattrs/symlink'));
  setXattr('xattrs/one', 'user.comment', 'short');
  setXattr('xattrs/two', 'user.comment', 'short');
  setXattr('xattrs/two', 'user.long', 'x'.repeat(3000));
  setXattr('xattrs/three', 'user.long', 'x'.repeat(3000));
  setXattr('xattrs/two', 'trusted.secret', 'for root');
  setXattr('xattrs/directory', 'user.of-directory', '');
  setXattr('xattrs/symlink', 'trusted.of-symlink', 'yes');
  chmodSync(at('xattrs/three'), 0o444);
  chmodSync(at('xattrs/directory'), 0o555);
  execFileSync('setcap', ['cap_net_raw+ep', at('xattrs/one')]);

  for (const name of ['with space', 'new\nline', `"quotes'`, '\\back', '-dash', 'x'.repeat(255)])
    writeFileSync(at(`names/${name}`), name);
  writeFileSync(
    Buffer.concat([Buffer.from(at('names/')), Buffer.from([0xff, 0xfe, 0x80])]),
    'bytes',
  );
  let deep = 'names/deep';
  mkdirSync(at(deep));
  for (let i = 0; i < 150; i++) {
    deep += `/level-${i}`;
    mkdirSync(at(deep));
    if (i % 10 === 0) writeFileSync(at(`${deep}/file`), deep);
  }

  lutimesSync(at('links/absolute'), 1_000_000_000, 1_000_000_000);
  lutimesSync(at('sizes/1'), 0, 0);
  lutimesSync(at('sizes/100'), 4_294_967_295, 4_294_967_295);
  lutimesSync(at('special/fifo'), 12345, 12345);
  lutimesSync(at('many'), 1_111_111_111, 1_111_111_111);
  lutimesSync(at('links'), 1_222_222_222, 1_222_222_222);
  lutimesSync(root, 1_333_333_333, 1_333_333_333);
  chmodSync(root, 0o751);
}
