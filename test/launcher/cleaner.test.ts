import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  callers,
  compileC,
  launch,
  leftIn,
  makeTree,
  makeWorkbench,
  pack,
  type Running,
  settled,
  until,
  type Workbench,
} from './support/workbench.js';

let bench: Workbench;
let without: string;
let program: string;
let bundle: string;
let slow: string;

beforeAll(() => {
  bench = makeWorkbench();
  without = compileC(join(bench.directory, 'without'), ['support/without.c']);
  program = compileC(join(bench.directory, 'program'), ['support/program.c']);
  const tree = join(bench.directory, 'tree');
  mkdirSync(tree);
  makeTree(tree);
  bundle = pack(bench, tree, ['cmd=/bin/sh']);
  mkdirSync(join(tree, 'many'));
  for (let i = 0; i < 2500; i++) writeFileSync(join(tree, `many/${i}`), `${i}`);
  slow = pack(bench, tree, ['cmd=/bin/sh']);
});
afterAll(() => bench?.remove());

/** Pids of the helpers of this test's starts: what runs from the test's launcher under their name. */
function cleaners(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith('rundle-cleaner\0') &&
          readlinkSync(`/proc/${pid}/exe`).startsWith(bench.launcher)
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The only helper there is. */
function cleaner(): number {
  const [pid, ...rest] = cleaners();
  if (pid === undefined || rest.length > 0) throw new Error(`helpers: ${cleaners()}`);
  return pid;
}

const ready = async (running: Running) =>
  until('the program', () => running.stdout().includes('ready'));

describe.each(callers)('cleaning up, as $caller', ({ prefix }) => {
  beforeEach(async () => {
    expect(await settled(bench.scratch)).toEqual([]);
    await until('the helpers’ end', () => cleaners().length === 0);
  });
  const begin = (path: string, words: string[], wrap: string[] = [], detached = false) =>
    launch(
      [
        ...prefix,
        ...wrap,
        bench.launcher,
        'installed',
        '0',
        path,
        '--mode',
        'extract',
        '-q',
        ...words,
      ],
      { TMPDIR: bench.scratch },
      { detached },
    );
  const sh = (script: string, wrap: string[] = []) => begin(bundle, ['sh', '-c', script], wrap);

  test.each([
    ['with all', []],
    ['without pidfds', ['pidfd_open=38']],
    ['without inotify', ['inotify_init1=24']],
    ['without either', ['pidfd_open=38', 'inotify_init1=24']],
    ['without locks', ['flock=37']],
  ])('the tree stays for a straggler and goes with it, %s', async (_name, denied) => {
    const wrap = denied.length > 0 ? [without, ...denied, '--'] : [];
    const signals = mkdtempSync(join(bench.directory, 'signals-'));
    chmodSync(signals, 0o755);
    const script =
      'sh -c "while test ! -e /mnt/go; do sleep 0.02; done; cat /etc/group; exec sleep 60" & echo $! ready';
    const running = begin(bundle, ['-m', `${signals}:/mnt`, 'sh', '-c', script], wrap);
    await until('the program’s end', () => !existsSync(`/proc/${running.pid}/exe`));
    await sleep(150);
    const [tree = ''] = leftIn(bench.scratch);
    expect(existsSync(join(bench.scratch, tree, 'root/bin/busybox'))).toBe(true);
    const straggler = Number.parseInt(running.stdout(), 10);
    expect(straggler).toBeGreaterThan(1);
    writeFileSync(join(signals, 'go'), '');
    await until('its answer', () => running.stdout().includes('root:x:0'));
    process.kill(straggler, 'SIGKILL');
    await running.ended;
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test('a straggler in namespaces of its own counts', async () => {
    const script =
      'unshare -m sh -c "echo inner ready; exec sleep 60" & while ! grep -q sleep /proc/$!/comm; do :; done; echo $! ready';
    const running = begin(bundle, ['--root', 'sh', '-c', script]);
    await until('the program’s end', () => !existsSync(`/proc/${running.pid}/exe`));
    await sleep(150);
    const [tree = ''] = leftIn(bench.scratch);
    expect(existsSync(join(bench.scratch, tree, 'root/bin/busybox'))).toBe(true);
    process.kill(Number(running.stdout().match(/^(\d+) ready/m)?.[1]), 'SIGKILL');
    await running.ended;
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
    '%s at any moment of the start leaves nothing',
    async (signal) => {
      for (const delay of [0, 1, 2, 4, 6, 9, 14, 20, 30, 45, 70, 110]) {
        const running = begin(slow, ['sleep', '60'], [], true);
        await sleep(delay);
        process.kill(-running.pid, signal);
        await running.ended;
      }
      expect(await settled(bench.scratch)).toEqual([]);
    },
  );

  test('a fault leaves nothing, at once', async () => {
    const ended = await begin(bundle, ['-m', '/no/such:/x', 'true']).ended;
    expect(ended.status).toBe(125);
    expect(await settled(bench.scratch)).toEqual([]);
    const missing = await begin(bundle, ['no-such-program']).ended;
    expect(missing.status).toBe(127);
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test('the helper is out of the way', async () => {
    const running = launch(
      [
        ...['taskset', '-c', '0', ...prefix],
        ...[
          bench.launcher,
          'installed',
          '0',
          bundle,
          '--mode',
          'extract',
          'sh',
          '-c',
          'echo ready; exec sleep 60',
        ],
      ],
      { TMPDIR: bench.scratch },
    );
    await ready(running);
    const pid = cleaner();
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    const value = (name: string) => status.match(new RegExp(`^${name}:\\s*(.*)$`, 'm'))?.[1];
    const [, , , , , session] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ');
    expect(Number(session)).toBe(pid);
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(open.slice(0, 3)).toEqual(Array(3).fill('/dev/null'));
    expect(open.filter((target) => target.startsWith('pipe:'))).toEqual([]);
    expect(open.filter((target) => target.includes('bundle-'))).toEqual([]);
    expect(value('Cpus_allowed_list')).toBe(
      readFileSync('/proc/self/status', 'latin1').match(/Cpus_allowed_list:\s*(.*)/)?.[1],
    );
    // It sleeps for good: it does not run while nothing happens.
    const before = value('voluntary_ctxt_switches');
    await sleep(1500);
    expect(readFileSync(`/proc/${pid}/status`, 'latin1')).toContain(
      `voluntary_ctxt_switches:\t${before}\n`,
    );
    // Signals that a terminal or a batch system sends to everything do not keep it from its work.
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGALRM'] as const)
      process.kill(pid, signal);
    await sleep(100);
    expect(existsSync(`/proc/${pid}/exe`)).toBe(true);
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test('without pidfds signals do not make it take the program for dead', async () => {
    const running = sh('echo ready; exec sleep 60', [without, 'pidfd_open=38', '--']);
    await ready(running);
    const pid = cleaner();
    process.kill(pid, 'SIGUSR1');
    await sleep(200);
    expect(leftIn(bench.scratch)).toHaveLength(1);
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test('the program has no child that it can wait for', async () => {
    const ended = await begin(bundle, ['-m', `${program}:/mnt`, '/mnt', 'children']).ended;
    expect(ended.stdout).toBe('10\n'); // ECHILD
  });

  test('a substitution returns while the tree is still on its way out', async () => {
    const script = 'x=$("$@"); echo "$x"';
    const words = [
      bench.launcher,
      'installed',
      '0',
      slow,
      '--mode',
      'extract',
      '-q',
      'echo',
      'out',
    ];
    const ended = await launch([...prefix, 'sh', '-c', script, 'sh', ...words], {
      TMPDIR: bench.scratch,
    }).ended;
    expect(ended.stdout).toBe('out\n');
  });

  test('a program whose first thread has ended keeps its tree', async () => {
    const running = begin(bundle, ['-m', `${program}:/mnt`, '/mnt', 'threads']);
    await ready(running);
    await sleep(1000);
    expect(leftIn(bench.scratch)).toHaveLength(1);
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test('so does a straggler whose first thread has ended', async () => {
    const words = ['-m', `${program}:/mnt`, 'sh', '-c', '/mnt threads & sleep 0.1'];
    const running = begin(bundle, words);
    await ready(running);
    await sleep(1000);
    expect(leftIn(bench.scratch)).toHaveLength(1);
    process.kill(Number.parseInt(running.stdout(), 10), 'SIGKILL');
    await running.ended;
    expect(await settled(bench.scratch)).toEqual([]);
  });

  test('a tree that lost its cleaner stays while it is used, and goes at the next start', async () => {
    const running = sh('echo ready; exec sleep 60');
    await ready(running);
    const [tree = ''] = leftIn(bench.scratch);
    for (const pid of cleaners()) process.kill(pid, 'SIGKILL');
    expect((await sh('true').ended).status).toBe(0);
    await until('the second’s end', () => leftIn(bench.scratch).length === 1);
    expect(existsSync(join(bench.scratch, tree, 'root/bin/busybox'))).toBe(true);
    process.kill(running.pid, 'SIGKILL');
    await running.ended;
    expect(leftIn(bench.scratch)).toEqual([tree]);
    expect((await sh('true').ended).status).toBe(0);
    expect(await settled(bench.scratch)).toEqual([]);
  });
});

describe('what is not taken for a stale tree', () => {
  const names = {
    foreign: '.rundle-tree-00000000000000f0',
    young: '.rundle-tree-00000000000000f1',
    open: '.rundle-tree-00000000000000f2',
    link: '.rundle-tree-00000000000000f3',
    other: '.rundle-tree-00000000000000f4',
    similar: '.rundle-tree-xyz',
    stale: '.rundle-tree-00000000000000f5',
  };

  test('another machine’s, one being made, another user’s, a link, another name', async () => {
    const at = (name: string) => join(bench.scratch, name);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    const host = execFileSync('uname', ['-n'], { encoding: 'latin1' }).trim();
    const elsewhere = join(bench.directory, 'elsewhere');
    mkdirSync(elsewhere, { mode: 0o700 });
    writeFileSync(join(elsewhere, 'lock'), `${host} ${boot}\n`);
    symlinkSync(elsewhere, at(names.link));
    for (const name of [names.foreign, names.young, names.other, names.similar, names.stale])
      mkdirSync(at(name), { mode: 0o700 });
    mkdirSync(at(names.open), { mode: 0o755 });
    writeFileSync(join(at(names.foreign), 'lock'), `another-machine ${boot}\n`);
    for (const name of [names.open, names.other, names.similar])
      writeFileSync(join(at(name), 'lock'), `${host} ${boot}\n`);
    // Since an earlier boot, and with directories that cannot be entered.
    writeFileSync(join(at(names.stale), 'lock'), `${host} 00000000-0000-0000-0000-000000000000\n`);
    mkdirSync(join(at(names.stale), 'root/closed/inner'), { recursive: true });
    spawnSync('chmod', ['0', join(at(names.stale), 'root/closed')]);
    spawnSync('chown', ['-R', '12345', at(names.other)]);
    utimesSync(at(names.foreign), 1, 1);
    const ended = await launch(
      [bench.launcher, 'installed', '0', bundle, '--mode', 'extract', 'true'],
      {
        TMPDIR: bench.scratch,
      },
    ).ended;
    expect(ended.status).toBe(0);
    const { stale, ...rest } = names;
    await until('the removal', () => !existsSync(at(stale)));
    await until('the helper’s end', () => cleaners().length === 0);
    expect(leftIn(bench.scratch).sort()).toEqual(Object.values(rest).sort());
    expect(readdirSync(elsewhere)).toEqual(['lock']);
    for (const name of Object.values(rest)) execFileSync('rm', ['-r', at(name)]);
  });
});
