import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  callers,
  compileC,
  launch,
  leftIn,
  makeTree,
  makeWorkbench,
  pack,
  piecesSources,
  settled,
  until,
  type Workbench,
} from './support/workbench.js';

let bench: Workbench;
let pieces: string;
let tree: string;
let bundle: string;
let other: string;
let large: string;
const id = `${'0'.repeat(61)}abc`;

beforeAll(() => {
  bench = makeWorkbench();
  pieces = compileC(join(bench.directory, 'pieces'), piecesSources);
  tree = join(bench.directory, 'tree');
  mkdirSync(tree);
  makeTree(tree);
  mkdirSync(join(tree, 'many'));
  for (let i = 0; i < 1200; i++) writeFileSync(join(tree, `many/${i}`), `${i}`);
  chmodSync(tree, 0o555);
  bundle = pack(bench, tree, ['cmd=/bin/sh'], { id });
  other = pack(bench, tree, ['cmd=/bin/sh']);
  large = pack(bench, tree, ['cmd=/bin/sh'], { size: String(1e15) });
});
afterAll(() => {
  chmodSync(tree, 0o755);
  bench?.remove();
});

describe.each(callers)('trees, as $caller', ({ uid, prefix }) => {
  let own: string;
  beforeAll(() => {
    own = mkdtempSync(join(bench.directory, 'own-'));
    chownSync(own, uid, uid);
  });
  const start = (
    path: string,
    words: string[],
    environment: Record<string, string> = {},
    cwd = own,
  ) =>
    launch(
      [...prefix, bench.launcher, 'installed', '0', path, '--mode', 'extract', ...words],
      { TMPDIR: bench.scratch, ...environment },
      { cwd },
    ).ended;
  const nothingBut = (...names: string[]) => expect(readdirSync(own).sort()).toEqual(names.sort());
  const clean = () => {
    for (const name of readdirSync(own)) {
      chmodSync(join(own, name), 0o755);
      rmSync(join(own, name), { recursive: true });
    }
  };

  test('a temporary tree is private and goes away', async () => {
    const script = `stat -c '%a %n' ${bench.scratch}/.rundle-tree-*; ls -A ${bench.scratch}/.rundle-tree-*`;
    const running = await start(bundle, [
      ...['-m', `${bench.scratch}:${bench.scratch}`, 'sh', '-c', script],
    ]);
    const [line, ...names] = running.stdout.trim().split('\n');
    expect(line).toMatch(/^700 .*\/\.rundle-tree-[0-9a-f]{16}$/);
    expect(names).toEqual(['lock', 'root']);
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test('--extract writes a complete, marked tree and stops; mode and time are the image’s', async () => {
    const target = join(own, 'extracted');
    expect(await start(bundle, ['-x', '-t', target])).toMatchObject({ status: 0, stdout: '' });
    nothingBut('extracted');
    expect(readFileSync(join(target, '.rundle'), 'utf8')).toBe(`rundle-tree 1\nid ${id}\n`);
    expect(statSync(target).mode & 0o7777).toBe(0o555);
    expect(statSync(target).mtimeMs).toBe(Math.floor(statSync(tree).mtimeMs / 1000) * 1000);
    expect(readdirSync(join(target, 'many'))).toHaveLength(1200);
    expect(statSync(join(target, 'bin')).uid).toBe(uid);
    clean();
  });

  test('without a target it is ./NAME', async () => {
    expect((await start(bundle, ['-x'])).status).toBe(0);
    const [name = ''] = readdirSync(own);
    expect(name).toMatch(/^bundle-\d+$/);
    clean();
  });

  test('--keep starts, and the next start uses the tree', async () => {
    const target = join(own, 'missing/parents/kept');
    const first = await start(bundle, ['-k', '-t', './missing/parents/kept/', 'echo', 'one']);
    expect(first).toMatchObject({ status: 0, stdout: 'one\n', stderr: '' });
    const before = statSync(join(target, 'many/7')).ino;
    const again = await start(bundle, ['-k', '-t', target, '--rw', 'sh', '-c', 'echo x > /tmp/x']);
    expect(again.status).toBe(0);
    expect(statSync(join(target, 'many/7')).ino).toBe(before);
    expect(readdirSync(join(own, 'missing/parents'))).toEqual(['kept']);
    clean();
  });

  test('through a symbolic link', async () => {
    mkdirSync(join(own, 'real'));
    chownSync(join(own, 'real'), uid, uid);
    symlinkSync('real', join(own, 'link'));
    expect((await start(bundle, ['-k', '-t', join(own, 'link'), 'true'])).status).toBe(0);
    expect(existsSync(join(own, 'real/.rundle'))).toBe(true);
    rmSync(join(own, 'link'));
    clean();
  });

  test('an empty directory may be the target, anything else may not', async () => {
    const target = join(own, 'empty');
    mkdirSync(target);
    chownSync(target, uid, uid);
    expect((await start(bundle, ['-k', '-t', target, 'true'])).status).toBe(0);
    const foreign = await start(other, ['-k', '-t', target, 'true']);
    expect(foreign).toMatchObject({ status: 125 });
    expect(foreign.stderr).toMatch(/empty holds the tree of another bundle(.|\n)*--target/);
    clean();

    mkdirSync(join(own, 'mine'));
    writeFileSync(join(own, 'mine/precious'), 'x');
    const refused = await start(bundle, ['-k', '-t', join(own, 'mine'), 'true']);
    expect(refused.status).toBe(125);
    expect(refused.stderr).toContain(`${own}/mine holds something else`);
    nothingBut('mine');
    expect(readdirSync(join(own, 'mine'))).toEqual(['precious']);
    clean();

    writeFileSync(join(own, 'file'), 'x');
    expect((await start(bundle, ['-x', '-t', join(own, 'file')])).stderr).toContain(
      'Not a directory',
    );
    nothingBut('file');
    clean();
  });

  test('ten starts at once share one extraction', async () => {
    const target = join(own, 'shared');
    const runs = Array.from({ length: 10 }, (_, i) =>
      start(bundle, ['-q', '-k', '-t', target, 'sh', '-c', `cat /many/${i}`]),
    );
    const ended = await Promise.all(runs);
    expect(ended.map((run) => run.stderr).join('')).toBe('');
    expect(ended.map((run) => run.stdout)).toEqual(ended.map((_, i) => `${i}`));
    nothingBut('shared');
    clean();
  });

  test('who waits for another start says so', async () => {
    const target = join(own, 'shared');
    const ended = await Promise.all(
      Array.from({ length: 6 }, () => start(bundle, ['-x', '-t', target])),
    );
    expect(ended.map((run) => run.status)).toEqual(Array(6).fill(0));
    expect(ended.map((run) => run.stderr).join('')).toContain(`another start is writing ${target}`);
    clean();
  });

  test('a start that waits takes over when the first is killed', async () => {
    const target = join(own, 'shared');
    for (const delay of [0, 5, 15, 40]) {
      const first = launch(
        [
          ...prefix,
          bench.launcher,
          'installed',
          '0',
          bundle,
          '--mode',
          'extract',
          '-q',
          '-x',
          '-t',
          target,
        ],
        { TMPDIR: bench.scratch },
      );
      const second = start(bundle, ['-q', '-k', '-t', target, 'cat', '/many/5']);
      await new Promise((resolve) => setTimeout(resolve, delay));
      process.kill(first.pid, 'SIGKILL');
      await first.ended;
      expect(await second).toMatchObject({ status: 0, stdout: '5', stderr: '' });
      nothingBut('shared');
      clean();
    }
  });

  test('a start waits for another as long as that takes', async () => {
    const target = join(own, 'shared');
    const first = launch(
      [
        ...[...prefix, bench.launcher, 'installed', '0', bundle, '--mode', 'extract'],
        ...['-q', '-x', '-t', target],
      ],
      { TMPDIR: bench.scratch },
    );
    await until('its directory', () => leftIn(own).length > 0);
    process.kill(first.pid, 'SIGSTOP');
    const second = start(bundle, ['-q', '-k', '-t', target, 'cat', '/many/5']);
    await sleep(2500);
    process.kill(first.pid, 'SIGCONT');
    expect((await first.ended).status).toBe(0);
    expect(await second).toMatchObject({ status: 0, stdout: '5', stderr: '' });
    nothingBut('shared');
    clean();
  });

  test('no room: both figures, and nothing is left', async () => {
    const kept = await start(large, ['-k', '-t', join(own, 'new/parent/big'), 'true']);
    expect(kept.status).toBe(125);
    expect(kept.stderr).toMatch(/no room: \d+ MB free, 10000\d+ MB needed/);
    nothingBut();
    const temporary = await start(large, ['true'], { HOME: own });
    expect(temporary.status).toBe(125);
    expect(temporary.stderr).toMatch(
      new RegExp(`no directory can hold the tree: ${bench.scratch} \\(\\d+ MB free.*, /tmp \\(`),
    );
    expect(temporary.stderr).toContain('--target');
    expect(readdirSync(own)).toEqual(
      uid === 0 || existsSync(join(own, '.cache')) ? ['.cache'] : [],
    );
    clean();
  });

  test('a target that cannot be written', async () => {
    if (uid === 0) return expect((await start(bundle, ['-x', '-t', '/proc/x'])).status).toBe(125);
    const refused = await start(bundle, ['-x', '-t', '/usr/rundle-test']);
    expect(refused).toMatchObject({ status: 125 });
    expect(refused.stderr).toContain('/usr');
    expect(refused.stderr).toContain('Permission denied');
  });

  describe('on file systems of their own', () => {
    const mounted = async (options: string, work: (directory: string) => Promise<void>) => {
      const directory = mkdtempSync(join(bench.directory, 'mounted-'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=1777,${options}`, 'tmpfs', directory]);
      try {
        await work(directory);
      } finally {
        for (let i = 0; spawnSync('umount', [directory]).status !== 0 && i < 50; i++) {
          execFileSync('sleep', ['0.1']);
        }
      }
    };

    test('noexec is passed over for a temporary tree, and refused as a target', () =>
      mounted('noexec', async (directory) => {
        expect(spawnSync(pieces, ['execute', directory]).status).toBe(1);
        const passed = await start(bundle, ['echo', 'on'], { TMPDIR: directory });
        expect(passed).toMatchObject({ status: 0, stdout: 'on\n', stderr: '' });
        const refused = await start(bundle, ['-k', '-t', join(directory, 'kept'), 'true']);
        expect(refused.status).toBe(125);
        expect(refused.stderr).toMatch(/noexec/);
        expect((await start(bundle, ['-x', '-t', join(directory, 'kept')])).status).toBe(0);
        const existing = await start(bundle, ['-k', '-t', join(directory, 'kept'), 'true']);
        expect(existing.stderr).toMatch(/cannot execute.*noexec/);
      }));

    test('memory comes last, and then it is said', () =>
      mounted('size=100M', async (directory) => {
        const script = `mount | grep ' / '`;
        const elsewhere = await start(bundle, ['sh', '-c', script], { TMPDIR: directory });
        expect(elsewhere.stdout).not.toContain('tmpfs');
        // A world in which nothing but memory can be written.
        copyFileSync(bench.launcher, join(directory, 'launcher'));
        chmodSync(join(directory, 'launcher'), 0o755);
        copyFileSync(bundle, join(directory, 'x.run'));
        const cover = 'mount --bind "$1" /var/tmp; mount --bind "$1" /tmp; shift; exec "$@"';
        const ended = await launch(
          [
            ...['unshare', '-m', 'sh', '-ec', cover, 'sh', directory, ...prefix],
            ...[
              '/tmp/launcher',
              'installed',
              '0',
              '/tmp/x.run',
              '--mode',
              'extract',
              'sh',
              '-c',
              script,
            ],
          ],
          { HOME: '/proc' },
          { cwd: '/sys' },
        ).ended;
        expect(ended.stdout).toContain('tmpfs on / ');
        expect(ended.stderr).toMatch(/the tree goes to \/tmp, which is main memory: \d+ MB/);
        expect(await settled(directory)).toEqual([]);
      }));

    test('a disk that fills up half-way leaves nothing', () =>
      mounted('size=200M,nr_inodes=800', async (directory) => {
        const small = pack(bench, tree, ['cmd=/bin/sh'], { inodes: '1', size: '1' });
        const failed = await start(small, ['-x', '-t', join(directory, 'full')]);
        expect(failed.status).toBe(125);
        expect(failed.stderr).toMatch(/No space left on device(.|\n)*--target/);
        expect(readdirSync(directory)).toEqual([]);
      }));

    test('too few inodes are seen before', () =>
      mounted('size=200M,nr_inodes=800', async (directory) => {
        const failed = await start(bundle, ['-x', '-t', join(directory, 'full')]);
        expect(failed.stderr).toMatch(/no room: \d+ more files possible, 1\d\d\d needed/);
        expect(readdirSync(directory)).toEqual([]);
      }));
  });

  test('candidates that are relative, missing or files are passed over', async () => {
    const file = join(own, 'a-file');
    writeFileSync(file, '');
    for (const directory of ['relative/dir', '/no/such/dir', file, '']) {
      const ended = await start(bundle, ['echo', 'on'], { TMPDIR: directory });
      expect(ended).toMatchObject({ status: 0, stdout: 'on\n', stderr: '' });
    }
    clean();
  });
});
