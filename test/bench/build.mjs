import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unpackCommand } from './image.mjs';
import { measure, median } from './measure.mjs';

/** The script inside a makeself archive that does for its tree what a bundle does for its own. */
const startScript = `#!/bin/sh
exec bwrap --ro-bind . / --dev /dev --proc /proc --tmpfs /tmp "$@"
`;

/**
 * Builds a file from the image with each tool, `runs` times, in turns so that a slow minute hits all alike.
 * Gives for each: name, what it starts from, seconds, processor seconds and peak memory (medians), file size. The files stay in
 * `workDirectory` under the names of `outputs`.
 */
export async function measureBuilds({ repository, image, workDirectory, runs, progress }) {
  const cases = buildCases(repository, image, workDirectory);
  const samples = cases.map(() => []);
  for (let round = 1; round <= runs; round++) {
    for (const [index, { name, commands, before, after, leftovers = [] }] of cases.entries()) {
      progress(`build ${round}/${runs}: ${name}`);
      before?.();
      samples[index].push(await measure(commands, workDirectory));
      after?.();
      for (const path of leftovers) {
        rmSync(path, { recursive: true, force: true });
      }
    }
  }
  return cases.map(({ name, from, output }, index) => ({
    name,
    from,
    seconds: median(samples[index].map(({ seconds }) => seconds)),
    cpu: median(samples[index].map(({ cpu }) => cpu)),
    memory: median(samples[index].map(({ memory }) => memory)),
    size: statSync(output).size,
  }));
}

/** The files that the start times are taken from. */
export function outputs(workDirectory) {
  return {
    bundle: join(workDirectory, 'rundle.run'),
    makeself: join(workDirectory, 'makeself.run'),
  };
}

function buildCases(repository, image, workDirectory) {
  const { bundle, makeself } = outputs(workDirectory);
  const squashfs = join(workDirectory, 'mksquashfs.sqfs');
  const unpacked = join(workDirectory, 'unpacked');
  const fromTar = join(workDirectory, 'tar2sqfs.sqfs');
  const startName = '.start';
  const start = join(image.tree, startName);
  return [
    {
      name: 'rundle build',
      from: 'image',
      output: bundle,
      commands: [
        [
          process.execPath,
          join(repository, 'dist/cli.js'),
          ...['build', `oci:${image.reference}`, '-o', bundle, '--force', '--quiet'],
        ],
      ],
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
      commands: [
        [
          'makeself',
          '--quiet',
          '--zstd',
          '--nox11',
          image.tree,
          makeself,
          'benchmark',
          `./${startName}`,
        ],
      ],
      before: () => writeFileSync(start, startScript, { mode: 0o755 }),
      after: () => rmSync(start),
    },
  ];
}

function mksquashfs(tree, output) {
  const options = ['-noappend', '-quiet', '-no-progress', '-b', '1M'];
  return ['mksquashfs', tree, output, ...options, '-comp', 'zstd', '-Xcompression-level', '9'];
}
