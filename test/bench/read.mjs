import { agree, median } from './measure.mjs';
import { inPlace, kernel, peakOf, peers, rundle, squashfuse } from './places.mjs';
import { atLeast, atMost, memoryGoal } from './report.mjs';

const readers = [
  { key: 'one', count: 1, title: 'one reader' },
  { key: 'two', count: 2, title: 'two readers' },
];

/** The time to read every file of the tree from a fresh mount, in nanoseconds, the image being in the page cache. */
export async function measureRead(context) {
  const { inputs, runs, progress } = context;
  const bundle = await inputs.bundle();
  const samples = Object.fromEntries(peers().map((peer) => [peer, { one: [], two: [] }]));
  for (let round = 1; round <= runs; round++) {
    for (const { key, count, title } of readers) {
      for (const peer of peers()) {
        progress(`read ${round}/${runs}: ${title}, ${peer}`);
        const sample = await inPlace(peer, bundle, context, ({ probe, root }) =>
          probe.ask('read', root, count),
        );
        samples[peer][key].push(sample);
      }
    }
  }
  const all = Object.values(samples).flatMap(({ one, two }) => [...one, ...two]);
  for (const key of ['files', 'bytes']) {
    agree(
      `read, ${key}`,
      all.map((sample) => sample[key]),
    );
  }

  const rows = peers().map((name) => ({
    name,
    one: median(samples[name].one.map(({ ns }) => ns)),
    two: median(samples[name].two.map(({ ns }) => ns)),
    memory: peakOf([...samples[name].one, ...samples[name].two]),
  }));
  const columns = [
    { key: 'name', title: 'read the whole tree' },
    ...readers.map(({ key, title }) => ({
      key,
      title: `${title} ms`,
      scale: 1e-6,
      ratio: true,
    })),
    { key: 'memory', title: 'server MB', scale: 1e-6 },
  ];
  return { tables: [{ columns, rows }], goals: judge(rows) };
}

function judge(rows) {
  const row = (name) => rows.find((candidate) => candidate.name === name);
  const own = row(rundle);
  const goals = readers.flatMap(({ key, title }) => {
    const gain = row(squashfuse)[key] / own[key];
    const faster = atLeast(`read, ${title}: faster than squashfuse_ll`, 'times', gain, 1);
    if (row(kernel) === undefined) {
      return [faster];
    }
    const ratio = own[key] / row(kernel)[key];
    return [atMost(`read, ${title}: against kernel squashfs`, 'times', ratio, 0.8), faster];
  });
  return [...goals, memoryGoal('read', own.memory)];
}
