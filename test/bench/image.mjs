import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './measure.mjs';

/** What is measured in full: the numpy image, and how often and how much. */
const full = {
  image: 'Debian 12, numpy, OpenBLAS',
  workload: {
    name: 'numpy',
    argv: ['python3', '-c', 'import numpy; a = numpy.ones((500, 500)); print((a @ a).sum())'],
  },
  large: { files: 287_000, bytes: 2e9 },
  random: { bytes: 1 << 30, reads: 1000 },
  blockSizes: ['64K', '128K', '256K', '1M'],
  starts: 10,
  walks: 5,
};

/** The same shape with images so small that all of it takes seconds: its figures say nothing. */
const quick = {
  image: 'a program that does nothing',
  workload: { name: 'true', argv: ['true'] },
  large: { files: 3000, bytes: 10e6 },
  random: { bytes: 8 << 20, reads: 50 },
  blockSizes: ['64K', '1M'],
  starts: 1,
  walks: 1,
};

export function chooseSizes(isQuick) {
  return isQuick ? quick : full;
}

/**
 * Makes the image that most is measured on, as an OCI layout with one gzip layer and as an unpacked tree: Debian 12
 * minbase with python3-numpy and libopenblas0-pthread, whose tar file is kept in .cache/, or for a quick run a tree
 * of hardly more than the probe.
 */
export async function prepareImage({ repository, work, tools, isQuick }) {
  const tar = isQuick ? await makeSmallTar(work, tools) : await debianTar(repository);
  const layout = join(work, 'layout');
  const reference = `${layout}:latest`;
  await run(['umoci', 'init', '--layout', layout]);
  await run(['umoci', 'new', '--image', reference]);
  await run(['umoci', 'raw', 'add-layer', '--image', reference, tar]);
  await run(['umoci', 'config', '--image', reference, '--config.cmd', '/bin/true']);

  const bundle = join(work, 'tree');
  await run(unpackCommand(reference, bundle));
  // For an ordinary user to enter it.
  await run(['chmod', '755', bundle]);
  return { tar, reference, layer: largestBlob(layout), tree: join(bundle, 'rootfs') };
}

async function debianTar(repository) {
  const script = join(repository, 'examples/numpy-norm/cached-image.sh');
  return (await run(['sh', script], { stderr: 'inherit' })).trimEnd();
}

async function makeSmallTar(work, tools) {
  const tree = join(work, 'small');
  for (const directory of ['bin', 'dev', 'mnt', 'proc', 'sys', 'tmp', 'usr/share']) {
    mkdirSync(join(tree, directory), { recursive: true });
  }
  copyFileSync(join(tools, 'probe'), join(tree, 'bin/true'));
  for (let index = 0; index < 200; index++) {
    writeFileSync(join(tree, 'usr/share', `file-${index}`), `${index}\n`.repeat(100 * (index % 7)));
  }
  const tar = join(work, 'small.tar');
  await run(['tar', '-C', tree, '-cf', tar, '--owner=0', '--group=0', '.']);
  rmSync(tree, { recursive: true });
  return tar;
}

/** The command that unpacks the image `reference` to `directory`/rootfs. */
export function unpackCommand(reference, directory) {
  const rootless = process.getuid() === 0 ? [] : ['--rootless'];
  return ['umoci', 'unpack', ...rootless, '--image', reference, directory];
}

/** The layer is the one blob of any size; the others are the config and the manifest. */
function largestBlob(layout) {
  const directory = join(layout, 'blobs/sha256');
  const [largest] = readdirSync(directory)
    .map((name) => ({
      path: join(directory, name),
      size: statSync(join(directory, name)).size,
    }))
    .toSorted((a, b) => b.size - a.size);
  return largest.path;
}
