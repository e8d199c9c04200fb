import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './measure.mjs';

/**
 * Makes the image that everything is measured on: Debian 12 minbase with python3-numpy and libopenblas0-pthread, as
 * an OCI layout with one gzip layer, and as an unpacked tree. The tar file it starts from is kept in .cache/.
 */
export async function prepareImage(repository, workDirectory) {
  const script = join(repository, 'examples/numpy-norm/cached-image.sh');
  const tar = (await run(['sh', script], { stderr: 'inherit' })).trimEnd();
  const layout = join(workDirectory, 'layout');
  const reference = `${layout}:latest`;
  await run(['umoci', 'init', '--layout', layout]);
  await run(['umoci', 'new', '--image', reference]);
  await run(['umoci', 'raw', 'add-layer', '--image', reference, tar]);
  await run(['umoci', 'config', '--image', reference, '--config.cmd', '/bin/bash']);

  const bundle = join(workDirectory, 'tree');
  await run(unpackCommand(reference, bundle));
  return { reference, layer: largestBlob(layout), tree: join(bundle, 'rootfs') };
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
