import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, run } from './measure.mjs';
import { openProbe } from './probe.mjs';
import { atMost } from './report.mjs';

/** The user that root starts bundles as: as a login on a cluster leaves him, described by the session alone. */
const ordinary = { uid: 12345, gid: 100, name: 'somebody' };
const workload = ['true'];

/**
 * The time of `true` from start to end, in nanoseconds, for each way to start it: as an ordinary user, and as root too
 * where root runs the benchmark.
 */
export async function measureStarts(context) {
  const users = process.getuid() === 0 ? ['user', 'root'] : ['user'];
  const results = {};
  for (const user of users) {
    results[user] = await measureAs(user, context);
  }
  const rows = results.user.map(({ name, ns }, index) => ({
    name,
    user: ns,
    root: results.root?.[index].ns ?? null,
  }));
  const goals = users.flatMap((user) => judge(rows, user));
  const columns = [
    { key: 'name', title: 'start of true' },
    { key: 'user', title: 'user ms', scale: 1e-6, digits: 1, ratio: true },
    { key: 'root', title: 'root ms', scale: 1e-6, digits: 1, ratio: true },
  ];
  return { tables: [{ columns, rows }], goals };
}

const names = {
  floor: 'bwrap on an unpacked tree',
  warm: 'rundle',
  first: 'rundle, first ever',
  alone: 'rundle, launcher without header',
  large: 'rundle, large image',
};

function judge(rows, user) {
  const milliseconds = (name) => rows.find((row) => row.name === name)[user] / 1e6;
  const warm = milliseconds(names.warm);
  return [
    atMost(`start of true (${user})`, 'ms', warm, 8),
    atMost(`start of true (${user}), against bwrap`, 'times', warm / milliseconds(names.floor), 2),
    atMost(`start of true (${user}), first ever`, 'ms', milliseconds(names.first), 13),
    atMost(
      `start of true (${user}), large image against small`,
      'times',
      milliseconds(names.large) / warm,
      1.2,
    ),
  ];
}

async function measureAs(user, context) {
  const { tools, runs, sizes, progress } = context;
  const home = makeHome(user, context);
  const prefix = process.getuid() === 0 && user === 'user' ? asOrdinaryUser : [];
  const bundle = await context.inputs.bundle();
  const probe = openProbe([...prefix, join(tools, 'probe')], { env: home.env });
  try {
    const ways = await waysToStart(user, home, context, prefix);
    const samples = ways.map(() => []);
    for (let round = 1; round <= runs; round++) {
      progress(`start ${round}/${runs}: as ${user}`);
      // Not counted: another round, or section, has had the caches.
      for (const { argv } of ways.filter((way) => way.argv && !way.cold)) {
        await probe.ask('start', ...argv, ...workload);
        await untilLauncherIsKept(home, bundle);
      }
      for (const isCold of [false, true]) {
        for (let count = 0; count < sizes.starts; count++) {
          for (const [index, way] of ways.entries()) {
            const { argv, before, after, cold = false, rare = false } = way;
            if (argv && cold === isCold && (count === 0 || !rare)) {
              before?.();
              samples[index].push((await probe.ask('start', ...argv, ...workload)).ns);
              await after?.();
            }
          }
        }
      }
    }
    await probe.close();
    return ways.map(({ name }, index) => ({ name, ns: median(samples[index]) }));
  } finally {
    probe.end();
    forgetLauncher(home, bundle);
    if (home.memory !== '/dev/shm') {
      rmSync(home.memory, { recursive: true, force: true });
    }
  }
}

const asOrdinaryUser = [
  'setpriv',
  `--reuid=${ordinary.uid}`,
  `--regid=${ordinary.gid}`,
  '--clear-groups',
];

/** Without a run-time directory, so that the launcher is kept in /dev/shm; root, for whom it is not, has one there. */
function makeHome(user, { work }) {
  const owner = process.getuid() === 0 && user === 'user' ? ordinary.uid : process.getuid();
  const home = join(work, `home-${user}`);
  mkdirSync(home, { mode: 0o700 });
  chownSync(home, owner, owner === ordinary.uid ? ordinary.gid : process.getgid());
  const env = { PATH: process.env.PATH, HOME: home, USER: ordinary.name };
  if (owner !== 0) {
    return { path: home, owner, env, memory: '/dev/shm' };
  }
  const memory = mkdtempSync('/dev/shm/rundle-bench-');
  return { path: home, owner, env: { ...env, USER: 'root', XDG_RUNTIME_DIR: memory }, memory };
}

/** Where a start has kept the launcher for the next one (stub/README.md, "The cache of the launcher"). */
function keptLaunchers({ owner, memory }, { launcher }) {
  return readdirSync(memory)
    .filter((name) => name.startsWith('.rundle-cache-'))
    .map((name) => join(memory, name))
    .filter((cache) => statSync(cache, { throwIfNoEntry: false })?.uid === owner)
    .map((cache) => join(cache, `launcher-${launcher.sha256}`))
    .filter((file) => existsSync(file));
}

function forgetLauncher(home, bundle) {
  for (const file of keptLaunchers(home, bundle)) {
    rmSync(file, { force: true });
  }
}

/** The launcher is kept a little after a first start; where it is not at all, all starts are first ones. */
async function untilLauncherIsKept(home, bundle) {
  for (let tries = 0; tries < 50 && keptLaunchers(home, bundle).length === 0; tries++) {
    await sleep(10);
  }
}

async function waysToStart(user, home, context, prefix) {
  const { inputs } = context;
  const { tree } = await inputs.image();
  const bundle = await inputs.bundle();
  const large = await inputs.largeBundle();
  const kept = [bundle.path, '--keep', '--target', join(home.path, 'kept')];
  await run([...prefix, 'env', `HOME=${home.path}`, ...kept, ...workload]);
  const floor = bwrapCommand(tree);
  const start = [bundle.path];
  const ways = [
    { name: names.floor, argv: floor },
    { name: names.warm, argv: start },
    {
      name: names.first,
      argv: start,
      before: () => forgetLauncher(home, bundle),
      after: () => untilLauncherIsKept(home, bundle),
    },
    { name: names.alone, argv: launcherCommand(bundle, context, user) },
    { name: names.large, argv: [large.path] },
    { name: 'rundle --keep, again', argv: kept },
  ];
  const makeself = 'makeself + bwrap';
  if (prefix.length === 0) {
    ways.push({ name: makeself, argv: [await inputs.makeself(), '--quiet', '--'], rare: true });
  } else {
    // Made by root of root's tree, the archive holds devices that only root can extract.
    ways.push({ name: makeself });
  }
  if (process.getuid() === 0) {
    const before = dropCaches;
    ways.push(
      { name: 'bwrap, page cache dropped', argv: floor, before, cold: true, rare: true },
      { name: 'rundle, page cache dropped', argv: start, before, cold: true, rare: true },
    );
  }
  return ways;
}

/** The command that runs a program in `tree` without any of what a bundle adds. */
export function bwrapCommand(tree, ...options) {
  const mounts = ['--ro-bind', tree, '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp'];
  return ['bwrap', ...mounts, ...options];
}

/** What the header runs at its end (stub/README.md, "Protocol between header and launcher"). */
function launcherCommand({ path, size, launcher }, { work }, user) {
  const program = join(work, `launcher-${user}`);
  writeFileSync(
    program,
    readFileSync(path).subarray(launcher.offset, launcher.offset + launcher.size),
  );
  chmodSync(program, 0o755);
  return [program, 'installed', String(size), path];
}

function dropCaches() {
  writeFileSync('/proc/sys/vm/drop_caches', '3\n');
}
