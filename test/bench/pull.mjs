import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { mksquashfs, rundleCommand } from './build.mjs';
import { bytesIn, withPeak } from './disk.mjs';
import { unpackCommand } from './image.mjs';
import { writeLayeredImage } from './layered.mjs';
import { measure, median } from './measure.mjs';
import { openRegistry, skopeoCopy } from './registry.mjs';
import { atMost } from './report.mjs';

/** How many MiB each layer of the image of many layers holds: about 3 GB, shared out as in the images of GPU programs. */
const fullLayers = [100, 20, 1300, 700, 450, 260, 30];
const quickLayers = [1, 12, 6];

const memoryLimit = 400;

/**
 * Pulls the image from a registry on loopback and builds a file from it, with nothing in the cache and then with the blobs
 * there, against the chain that does the same with other tools; once more, a large image of several layers.
 *
 * Temporary disk is what is there besides the file that is built and the blobs that a second pull finds: the peak in
 * $TMPDIR, and of the chain the tree that it unpacks, which only grows.
 */
export async function measurePulls(context) {
  const { inputs, isQuick, progress, repository, runs, work } = context;
  const image = await inputs.image();
  const place = join(work, 'pull');
  mkdirSync(place);
  const registry = await openRegistry(join(place, 'registry'));
  try {
    progress('pull: filling the registry');
    await registry.push(image.reference, 'numpy:latest');
    const cases = pullCases(repository, registry.host, place);
    const samples = cases.map(() => []);
    for (let round = 1; round <= runs; round++) {
      for (const [index, way] of cases.entries()) {
        progress(`pull ${round}/${runs}: ${way.name}`);
        samples[index].push(await pull(way, place));
      }
    }
    const rows = cases.map(({ name }, index) => ({ name, ...medians(samples[index]) }));
    const layer = statSync(image.tar).size;

    progress('pull: making the large image');
    const layout = join(place, 'layout');
    const largeLayer = await writeLayeredImage(layout, isQuick ? quickLayers : fullLayers);
    await registry.push(`${layout}:latest`, 'large:latest');
    rmSync(layout, { recursive: true });
    progress('pull: large image');
    const large = await pull(rundleCase(repository, registry.host, place, 'large'), place);
    // One run of another image: no time to compare.
    const largeRow = { name: 'rundle build, large image', ...large, seconds: null, cpu: null };
    return {
      tables: [{ columns, rows: [...rows, largeRow] }],
      goals: judge(rows, samples, layer, large, largeLayer),
    };
  } finally {
    await registry.stop();
    rmSync(place, { recursive: true });
  }
}

const columns = [
  { key: 'name', title: 'pull and build' },
  { key: 'seconds', title: 's', digits: 2, ratio: true },
  { key: 'cpu', title: 'CPU s', digits: 2 },
  { key: 'memory', title: 'memory MB', scale: 1e-6, ratio: true },
  { key: 'disk', title: 'temporary disk MB', scale: 1e-6, digits: 1, ratio: true },
  { key: 'blobs', title: 'kept blobs MB', scale: 1e-6, digits: 1 },
];

function judge([cold, , cached], samples, layer, large, largeLayer) {
  const [ours, theirs, oursCached, theirsCached] = samples;
  const memory = Math.max(cold.memory, cached.memory);
  const disk = Math.max(cold.disk, cached.disk);
  return [
    atMost('pull and build, against the chain', 'times', ratioOf(ours, theirs), 0.5),
    atMost(
      'pull and build, cached, against the chain',
      'times',
      ratioOf(oursCached, theirsCached),
      0.5,
    ),
    atMost('memory of pull and build', 'MB', memory / 1e6, memoryLimit),
    atMost('memory of pull and build, large image', 'MB', large.memory / 1e6, memoryLimit),
    atMost('temporary disk, against the layer', 'times', disk / layer, 1),
    atMost(
      'temporary disk, large image, against its largest layer',
      'times',
      large.disk / largeLayer,
      1,
    ),
  ];
}

/** {name, commands, blobs, tree, cold}: `blobs` is the directory that the cached pull finds again, `tree` the unpacked one. */
function pullCases(repository, host, place) {
  const rundle = rundleCase(repository, host, place, 'numpy');
  const layout = join(place, 'copied');
  const tree = join(place, 'unpacked');
  const chain = {
    name: 'skopeo copy + umoci unpack + mksquashfs -comp zstd 9 -b 1M',
    commands: [
      skopeoCopy(`docker://${host}/numpy:latest`, `oci:${layout}:latest`),
      unpackCommand(`${layout}:latest`, tree),
      mksquashfs(join(tree, 'rootfs'), join(place, 'output')),
    ],
    blobs: layout,
    tree,
  };
  const ways = [rundle, chain];
  return [
    ...ways.map((way) => ({ ...way, name: `${way.name}, cold`, cold: true })),
    ...ways.map((way) => ({ ...way, name: `${way.name}, cached`, cold: false })),
  ];
}

function rundleCase(repository, host, place, name) {
  const output = join(place, 'output');
  return {
    name: 'rundle build',
    commands: [rundleCommand(repository, `docker://${host}/${name}:latest`, output)],
    blobs: join(place, `cache-${name}`),
    cold: true,
  };
}

async function pull({ commands, blobs, tree, cold }, place) {
  const temporary = join(place, 'tmp');
  if (cold) {
    rmSync(blobs, { recursive: true, force: true });
  }
  mkdirSync(temporary);
  const environment = [`TMPDIR=${temporary}`, `XDG_CACHE_HOME=${blobs}`, 'NO_PROXY=127.0.0.1'];
  const inPlace = commands.map((argv) => ['env', ...environment, ...argv]);
  const { peak, ...resources } = await withPeak(temporary, () => measure(inPlace, place));
  const disk = peak + (tree === undefined ? 0 : bytesIn(tree));
  for (const path of [temporary, tree, join(place, 'output')]) {
    if (path !== undefined) {
      rmSync(path, { recursive: true, force: true });
    }
  }
  return { ...resources, disk, blobs: bytesIn(blobs) };
}

/** Of times in seconds, round by round: what is measured one after the other meets the machine in the same state. */
function ratioOf(ours, theirs) {
  return median(ours.map(({ seconds }, round) => seconds / theirs[round].seconds));
}

function medians(samples) {
  const keys = ['seconds', 'cpu', 'memory', 'disk', 'blobs'];
  return Object.fromEntries(keys.map((key) => [key, median(samples.map((one) => one[key]))]));
}
