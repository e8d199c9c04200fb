import { createHash } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeMakeself, outputs, rundleCommand } from './build.mjs';
import { writeCompressibleFile, writeLargeTar } from './generate.mjs';
import { prepareImage } from './image.mjs';
import { run } from './measure.mjs';

/**
 * What the sections measure, each made when a section first asks for it and in the page cache whenever one asks.
 *
 * image()             {tar, reference, layer, tree}
 * bundle()            the image as built by default
 * bundleOf(size)      the image with another block size
 * largeBundle()       the image and generated files: about 2 GB and 300,000 inodes
 * randomBundle(size)  one file of 1 GiB, with that block size
 * makeself()          path of the archive that makeself makes of the image's tree
 *
 * A bundle is {path, size, inodes, payload: {offset, size}, launcher: {offset, size}}. The generated ones stay in
 * the scratch directory until builder or launcher change.
 */
export function makeInputs(context) {
  const { repository, work, scratch, sizes, progress } = context;
  const state = builderState(repository);

  const image = once(async () => {
    progress(`image: ${sizes.image}`);
    return await prepareImage(context);
  });

  async function build(source, output, ...options) {
    await run(rundleCommand(repository, source, output, ...options));
    return output;
  }

  /** `make` writes the file that it is given, in a directory of its own. */
  async function cached(name, make) {
    const path = join(scratch, `${name}-${state}.run`);
    if (!existsSync(path)) {
      progress(`making ${name}`);
      // What an older builder has left, also when it was ended half way.
      for (const old of readdirSync(scratch).filter((file) => file.startsWith(`${name}-`))) {
        rmSync(join(scratch, old), { recursive: true });
      }
      const directory = join(scratch, `${name}-making`);
      mkdirSync(directory);
      const output = join(directory, 'output.run');
      await make(output, directory);
      renameSync(output, path);
      rmSync(directory, { recursive: true });
    }
    return path;
  }

  const bundle = once(async () => {
    const { reference } = await image();
    const output = outputs(work).bundle;
    return existsSync(output) ? output : await build(`oci:${reference}`, output);
  });

  const bundleOf = once(async (blockSize) => {
    const { reference } = await image();
    const output = join(work, `rundle-${blockSize}.run`);
    return await build(`oci:${reference}`, output, '--block-size', blockSize);
  });

  const largeBundle = once(async () => {
    const { tar } = await image();
    return await cached(`large-${sizes.large.files}`, async (output, directory) => {
      const large = join(directory, 'large.tar');
      await writeLargeTar(large, tar, sizes.large);
      // A high level would only take longer to find that there is nothing to gain.
      await build(`tar:${large}`, output, '--level', '1');
    });
  });

  const randomTree = once(async () => {
    const tree = join(work, 'random');
    mkdirSync(join(tree, 'mnt'), { recursive: true });
    writeCompressibleFile(join(tree, 'data'), sizes.random.bytes);
    return tree;
  });

  const randomBundle = once(async (blockSize) => {
    const name = `random-${sizes.random.bytes}-${blockSize}`;
    return await cached(name, async (output) => {
      await build(`dir:${await randomTree()}`, output, '--block-size', blockSize);
    });
  });

  const makeself = once(async () => {
    const { tree } = await image();
    const output = outputs(work).makeself;
    if (!existsSync(output)) {
      await makeMakeself(tree, output);
    }
    return output;
  });

  const described = once((path) => describe(repository, path));
  const ready =
    (make) =>
    async (...names) => {
      const path = await make(...names);
      await readThrough(path);
      return await described(path);
    };
  return {
    image,
    bundle: ready(bundle),
    bundleOf: ready(bundleOf),
    largeBundle: ready(largeBundle),
    randomBundle: ready(randomBundle),
    makeself,
  };
}

/** Calls `make` once for each argument. */
function once(make) {
  const made = new Map();
  return (name) => {
    if (!made.has(name)) {
      made.set(name, make(name));
    }
    return made.get(name);
  };
}

/** A name for builder, header and launchers as they are now. */
function builderState(repository) {
  const hash = createHash('sha256');
  for (const directory of ['dist', 'templates']) {
    const path = join(repository, directory);
    const names = readdirSync(path, { recursive: true }).toSorted();
    for (const name of names.filter((file) => /^launchers\/|\.js$|\.mustache$/.test(file))) {
      hash.update(name).update(readFileSync(join(path, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

async function describe(repository, path) {
  // For an ordinary user to start it.
  chmodSync(path, 0o755);
  const inspect = [process.execPath, join(repository, 'dist/cli.js'), 'inspect', '--json', path];
  const { size, sections, manifest } = JSON.parse(await run(inspect));
  return {
    path,
    size,
    inodes: manifest.payload.inodes,
    payload: sections.find(({ name }) => name === 'payload'),
    launcher: sections.find(({ name }) => name.startsWith(`launcher for ${machine()}`)),
  };
}

function machine() {
  return process.arch === 'arm64' ? 'aarch64' : 'x86_64';
}

/** Brings the file into the page cache. */
export async function readThrough(path) {
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) {
    void part;
  }
}
