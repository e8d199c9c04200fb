import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackCommand } from './image.mjs';
import { measure, median, run } from './measure.mjs';
import { atMost } from './report.mjs';

/** Runs a program in the tree that is its working directory: what a bundle does for its own tree. */
const startScript = `#!/bin/sh
exec bwrap --ro-bind . / --dev /dev --proc /proc --tmpfs /tmp "$@"
`;
const startName = '.start';

/**
 * Builds a file from the image with each tool, `runs` times, in turns so that a slow minute hits all alike.
 * The bundle and the makeself archive stay in the work directory under the names of `outputs`.
 */
export async function measureBuilds(context) {
  const { inputs, work, runs, progress } = context;
  const cases = buildCases(context.repository, await inputs.image(), work);
  const samples = cases.map(() => []);
  for (let round = 1; round <= runs; round++) {
    for (const [index, { name, commands, before, after, leftovers = [] }] of cases.entries()) {
      progress(`build ${round}/${runs}: ${name}`);
      before?.();
      samples[index].push(await measure(commands, work));
      after?.();
      for (const path of leftovers) {
        rmSync(path, { recursive: true, force: true });
      }
    }
  }
  const rows = cases.map(({ name, from, output }, index) => ({
    name,
    from,
    seconds: median(samples[index].map(({ seconds }) => seconds)),
    cpu: median(samples[index].map(({ cpu }) => cpu)),
    memory: median(samples[index].map(({ memory }) => memory)),
    size: statSync(output).size,
  }));
  const [build] = rows;
  const yardstick = rows.find(({ name, from }) => from === 'tree' && name.startsWith('mksquashfs'));
  return {
    tables: [{ columns, rows }],
    goals: [
      atMost('file', 'MB', build.size / 1e6, 90),
      atMost('file, against mksquashfs of this run', 'times', build.size / yardstick.size, 1),
      atMost('image to file', 's', build.seconds, 6),
      atMost('memory of the build', 'MB', build.memory / 1e6, 400),
    ],
  };
}

const columns = [
  { key: 'name', title: 'build' },
  { key: 'from', title: 'from' },
  { key: 'seconds', title: 's', digits: 2, ratio: true },
  { key: 'cpu', title: 'CPU s', digits: 2 },
  { key: 'memory', title: 'memory MB', scale: 1e-6, ratio: true },
  { key: 'size', title: 'file MB', scale: 1e-6, digits: 1, ratio: true },
];

/** The files that the start times are taken from. */
export function outputs(work) {
  return {
    bundle: join(work, 'rundle.run'),
    makeself: join(work, 'makeself.run'),
  };
}

/** Makes what `inputs.makeself` promises, where no section has made it before. */
export async function makeMakeself(tree, output) {
  writeFileSync(join(tree, startName), startScript, { mode: 0o755 });
  await run(makeselfCommand(tree, output));
  rmSync(join(tree, startName));
}

function buildCases(repository, image, work) {
  const { bundle, makeself } = outputs(work);
  const squashfs = join(work, 'mksquashfs.sqfs');
  const unpacked = join(work, 'unpacked');
  const fromTar = join(work, 'tar2sqfs.sqfs');
  const start = join(image.tree, startName);
  return [
    {
      name: 'rundle build',
      from: 'image',
      output: bundle,
      commands: [rundleCommand(repository, `oci:${image.reference}`, bundle)],
    },
    {
      name: 'umoci unpack + mksquashfs -comp zstd 9 -b 1M',
      from: 'image',
      output: squashfs,
      commands: [
        unpackCommand(image.reference, unpacked),
        mksquashfs(join(unpacked, 'rootfs'), squashfs),
      ],
      leftovers: [unpacked],
    },
    {
      name: 'tar2sqfs -c zstd 9 -b 1M',
      from: 'layer',
      output: fromTar,
      // Its input is standard input, so a shell opens it; the paths reach the shell as arguments.
      commands: [
        [
          'sh',
          '-c',
          'exec tar2sqfs -q -f -c zstd -X level=9 -b 1M "$1" <"$2"',
          'sh',
          fromTar,
          image.layer,
        ],
      ],
    },
    {
      name: 'mksquashfs -comp zstd 9 -b 1M',
      from: 'tree',
      output: squashfs,
      commands: [mksquashfs(image.tree, squashfs)],
    },
    {
      name: 'makeself --zstd',
      from: 'tree',
      output: makeself,
      commands: [makeselfCommand(image.tree, makeself)],
      before: () => writeFileSync(start, startScript, { mode: 0o755 }),
      after: () => rmSync(start),
    },
  ];
}

export function rundleCommand(repository, source, output, ...options) {
  const program = [process.execPath, join(repository, 'dist/cli.js'), 'build'];
  return [...program, source, '-o', output, '--force', '--quiet', ...options];
}

function makeselfCommand(tree, output) {
  const options = ['--quiet', '--zstd', '--nox11'];
  return ['makeself', ...options, tree, output, 'benchmark', `./${startName}`];
}

export function mksquashfs(tree, output) {
  const options = ['-noappend', '-quiet', '-no-progress', '-b', '1M'];
  return ['mksquashfs', tree, output, ...options, '-comp', 'zstd', '-Xcompression-level', '9'];
}
