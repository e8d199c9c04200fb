import { median } from './measure.mjs';
import { inPlace, peakOf, peers, rundle } from './places.mjs';
import { openProbe } from './probe.mjs';
import { memoryGoal } from './report.mjs';

const concurrency = [
  { key: 'one', processes: 1 },
  { key: 'two', processes: 2 },
];

/**
 * Reads of 4 KiB at random places of one large file, and what else depends on the block size: the size of files, and
 * the first start of the image. There is no goal: this is what the default block size is chosen by.
 */
export async function measureRandom(context) {
  const rows = [];
  const files = [];
  for (const blockSize of context.sizes.blockSizes) {
    rows.push(...(await measureReads(blockSize, context)));
    files.push(await measureFiles(blockSize, context));
  }
  return {
    tables: [
      { columns: readColumns, rows },
      { columns: fileColumns(context), rows: files },
    ],
    goals: [
      memoryGoal(
        'random reads',
        Math.max(...rows.filter(({ peer }) => peer === rundle).map(({ memory }) => memory)),
      ),
    ],
  };
}

const readColumns = [
  { key: 'blockSize', title: 'blocks' },
  { key: 'peer', title: '4 KiB at random' },
  { key: 'latency', title: 'p50 µs', scale: 1e-3 },
  { key: 'one', title: 'IOPS, one process' },
  { key: 'two', title: 'IOPS, two' },
  { key: 'memory', title: 'server MB', scale: 1e-6 },
];

async function measureReads(blockSize, context) {
  const { inputs, sizes, runs, progress } = context;
  const bundle = await inputs.randomBundle(blockSize);
  const samples = Object.fromEntries(peers().map((peer) => [peer, { one: [], two: [] }]));
  for (let round = 1; round <= runs; round++) {
    for (const { key, processes } of concurrency) {
      for (const peer of peers()) {
        progress(`random ${round}/${runs}: ${blockSize}, ${processes}, ${peer}`);
        const sample = await inPlace(peer, bundle, context, ({ probe, root }) =>
          probe.ask('random', `${root}/data`, sizes.random.reads, processes, round),
        );
        samples[peer][key].push(sample);
      }
    }
  }
  const perSecond = ({ ns, reads }) => reads / (ns / 1e9);
  return peers().map((peer) => ({
    blockSize,
    peer,
    latency: median(samples[peer].one.map(({ p50 }) => p50)),
    one: median(samples[peer].one.map(perSecond)),
    two: median(samples[peer].two.map(perSecond)),
    memory: peakOf([...samples[peer].one, ...samples[peer].two]),
  }));
}

function fileColumns({ sizes }) {
  return [
    { key: 'blockSize', title: 'blocks' },
    { key: 'image', title: 'image MB', scale: 1e-6, digits: 1, ratio: true },
    { key: 'random', title: 'random file MB', scale: 1e-6, digits: 1, ratio: true },
    {
      key: 'start',
      title: `start of ${sizes.workload.name} s`,
      scale: 1e-9,
      digits: 3,
      ratio: true,
    },
  ];
}

async function measureFiles(blockSize, { inputs, tools, runs, sizes }) {
  const bundle = await inputs.bundleOf(blockSize);
  const random = await inputs.randomBundle(blockSize);
  const probe = openProbe([`${tools}/probe`]);
  const samples = [];
  try {
    for (let round = 0; round <= runs; round++) {
      const { ns } = await probe.ask('start', bundle.path, ...sizes.workload.argv);
      // The first brings the program's own files into memory and does not count.
      samples.push(...(round > 0 ? [ns] : []));
    }
    await probe.close();
  } finally {
    probe.end();
  }
  return { blockSize, image: bundle.size, random: random.size, start: median(samples) };
}
