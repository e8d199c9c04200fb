import { agree, median } from './measure.mjs';
import { inPlace, kernel, peakOf, peers, rundle, squashfuse } from './places.mjs';
import { atLeast, atMost, memoryGoal } from './report.mjs';

/** The time to list and stat the whole tree, in nanoseconds: the first time after mounting, and from then on. */
export async function measureFind(context) {
  const { inputs } = context;
  const small = await measureTree(await inputs.bundle(), 4, context);
  const large = await measureTree(await inputs.largeBundle(), 2.5, context);
  return { tables: [small.table, large.table], goals: [...small.goals, ...large.goals] };
}

async function measureTree(bundle, leastGain, context) {
  const { runs, progress } = context;
  const inodes = `${Math.round(bundle.inodes / 1000)}k inodes`;
  const samples = Object.fromEntries(peers().map((peer) => [peer, []]));
  for (let round = 1; round <= runs; round++) {
    for (const peer of peers()) {
      progress(`find ${round}/${runs}: ${inodes}, ${peer}`);
      samples[peer].push(await inPlace(peer, bundle, context, (place) => walk(place, context)));
    }
  }
  const all = Object.values(samples).flat();
  agree(
    `find, ${inodes}`,
    all.map(({ entries }) => entries),
  );

  const rows = peers().map((name) => ({
    name,
    warm: median(samples[name].flatMap(({ warm }) => warm)),
    first: median(samples[name].map(({ first }) => first)),
    memory: peakOf(samples[name]),
  }));
  const columns = [
    { key: 'name', title: `find with stat, ${inodes}` },
    { key: 'warm', title: 'warm ms', scale: 1e-6, digits: 1, ratio: true },
    { key: 'first', title: 'first ms', scale: 1e-6, digits: 1, ratio: true },
    { key: 'memory', title: 'server MB', scale: 1e-6 },
  ];
  return { table: { columns, rows }, goals: judge(rows, inodes, leastGain) };
}

async function walk({ probe, root }, { sizes }) {
  const { ns, entries } = await probe.ask('walk', root);
  const warm = [];
  for (let count = 0; count < sizes.walks; count++) {
    warm.push((await probe.ask('walk', root)).ns);
  }
  return { first: ns, warm, entries };
}

function judge(rows, inodes, leastGain) {
  const row = (name) => rows.find((candidate) => candidate.name === name);
  const { warm, memory } = row(rundle);
  const what = `find, ${inodes}`;
  const goals = [
    atLeast(`${what}: faster than squashfuse_ll`, 'times', row(squashfuse).warm / warm, leastGain),
    memoryGoal(what, memory),
  ];
  if (row(kernel) !== undefined) {
    goals.unshift(atMost(`${what}: against kernel squashfs`, 'times', warm / row(kernel).warm, 1));
  }
  return goals;
}
