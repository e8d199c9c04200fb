import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { leftIn, settled, until } from './support/leftovers.js';
import { type Profile, profiles, runAs } from './support/profile.js';
import { tiers } from './support/tiers.js';
import { build, makeRootfs, makeWorkplace, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;
let slow: string;

beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--cmd', '["/bin/sh"]', '--env', 'PATH=/bin');
  // Enough files that an extraction can be interrupted in its middle.
  for (let index = 0; index < 40; index++) {
    mkdirSync(join(rootfs, `many/${index}`), { recursive: true });
    for (let file = 0; file < 250; file++)
      writeFileSync(join(rootfs, `many/${index}/${file}`), `${index}/${file}`);
  }
  slow = join(place.directory, 'slow.run');
  build(`dir:${rootfs}`, slow, '--cmd', '["/bin/sh"]', '--env', 'PATH=/bin');
});

afterAll(() => place?.remove());

const environment = () => ({ ...process.env, TMPDIR: place.scratch });

interface Started {
  pid: number;
  ended: Promise<NodeJS.Signals | number | null>;
  output: () => string;
}

function start(profile: Profile, argv: string[], detached = false): Started {
  const [command = '', ...rest] = [...profile.prefix, ...argv];
  const child = spawn(command, rest, {
    env: environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
    detached,
  });
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  const ended = new Promise<NodeJS.Signals | number | null>((resolve) => {
    child.on('exit', (status, signal) => resolve(signal ?? status));
  });
  return { pid: child.pid ?? -1, ended, output: () => text };
}

describe.each(profiles)('as $name', (profile) => {
  describe.each(tiers)('tier %s', (tier) => {
    const tail = ['--mode', tier, '-q'];
    beforeEach(async () => expect(await settled(place.scratch)).toEqual([]));

    test('nothing is left after a normal end', async () => {
      expect((await runAs(profile, [bundle, ...tail, 'true'], { env: environment() })).status).toBe(
        0,
      );
      expect(await settled(place.scratch)).toEqual([]);
    });

    test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
      'after %s to the running program',
      async (signal) => {
        const started = start(profile, [bundle, ...tail, 'sh', '-c', 'echo ready; exec sleep 60']);
        await until('the program', () => started.output().includes('ready'));
        process.kill(started.pid, signal);
        expect(await started.ended).toBe(signal);
        expect(await settled(place.scratch)).toEqual([]);
      },
    );

    test('after SIGKILL to the whole process group', async () => {
      const started = start(
        profile,
        [bundle, ...tail, 'sh', '-c', 'echo ready; exec sleep 60'],
        true,
      );
      await until('the program', () => started.output().includes('ready'));
      process.kill(-started.pid, 'SIGKILL');
      expect(await started.ended).toBe('SIGKILL');
      expect(await settled(place.scratch)).toEqual([]);
    });

    test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGKILL'] as const)(
      'after %s at many moments of the start',
      async (signal) => {
        for (const delay of [1, 4, 8, 12, 16, 24, 40, 80, 160]) {
          const started = start(profile, [slow, ...tail, 'sleep', '60'], true);
          await sleep(delay);
          process.kill(-started.pid, signal);
          await started.ended;
        }
        // A kill inside the header may leave one private copy of the launcher, which a later start removes.
        const copies = leftIn(place.scratch).filter((name) => name.startsWith('.rundle-launcher-'));
        const old = Date.now() / 1000 - 60;
        for (const name of copies) utimesSync(join(place.scratch, name), old, old);
        expect(
          (await runAs(profile, [bundle, ...tail, 'true'], { env: environment() })).status,
        ).toBe(0);
        expect(await settled(place.scratch)).toEqual([]);
      },
    );

    test('a grandchild that outlives the program keeps its files; they go with it', async () => {
      const script =
        'setsid sh -c "sleep 2; cat /opt/data/file > /dev/null && echo alive; sleep 60" & echo $!; exit 3';
      const started = start(profile, [bundle, ...tail, 'sh', '-c', script]);
      expect(await started.ended).toBe(3);
      await until('the grandchild', () => started.output().includes('alive'));
      const grandchild = Number(started.output().split('\n')[0]);
      // The shell's child became the session leader or its parent: end the whole group.
      for (const pid of [grandchild, -grandchild]) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Only one of the two exists.
        }
      }
      await runAs(profile, ['pkill', '-KILL', '-f', '^sleep 60$']);
      expect(await settled(place.scratch)).toEqual([]);
    });

    test('20 starts at once leave nothing behind', async () => {
      const runs = Array.from({ length: 20 }, (_, index) =>
        runAs(profile, [bundle, ...tail, 'sh', '-c', `exit ${index}`], { env: environment() }),
      );
      const ended = await Promise.all(runs);
      expect(ended.map((run) => run.status)).toEqual(ended.map((_, index) => index));
      expect(await settled(place.scratch)).toEqual([]);
    });
  });

  test('a tree whose cleaner was killed goes at the next start', async () => {
    const started = start(profile, [
      bundle,
      '--mode',
      'extract',
      '-q',
      'sh',
      '-c',
      'echo ready; exec sleep 60',
    ]);
    await until('the program', () => started.output().includes('ready'));
    const [tree] = leftIn(place.scratch);
    expect(tree).toBeDefined();
    const guards = cleaners();
    expect(guards.length).toBe(1);
    for (const pid of guards) process.kill(pid, 'SIGKILL');
    // As long as the program lives its tree stays, even with nobody guarding it.
    expect(
      (await runAs(profile, [bundle, '--mode', 'extract', '-q', 'true'], { env: environment() }))
        .status,
    ).toBe(0);
    expect(existsSync(join(place.scratch, tree ?? '', 'root/bin/busybox'))).toBe(true);
    process.kill(started.pid, 'SIGKILL');
    await started.ended;
    await runAs(profile, [bundle, '--mode', 'extract', '-q', 'true'], { env: environment() });
    expect(await settled(place.scratch)).toEqual([]);
  });
});

/** Pids of the helpers that look after a tree in this test's scratch directory: they hold its lock open. */
function cleaners(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        const open = readdirSync(`/proc/${pid}/fd`).map((fd) =>
          readlinkSync(`/proc/${pid}/fd/${fd}`),
        );
        return (
          command.startsWith('rundle-cleaner') &&
          open.some((path) => path.startsWith(place.scratch))
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}
