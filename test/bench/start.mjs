import { join } from 'node:path';
import { outputs } from './build.mjs';
import { run, startTime } from './measure.mjs';

const programs = [
  { name: 'true', argv: ['true'] },
  {
    name: 'numpy',
    argv: ['python3', '-c', 'import numpy; a = numpy.ones((500, 500)); print((a @ a).sum())'],
  },
];

/**
 * The time from start to end of `true` and of a small numpy program, in seconds, for each way to run the image.
 * Every way gives one object: name, then the median for each program.
 */
export async function measureStarts({ image, workDirectory, runs, progress }) {
  const { bundle, makeself } = outputs(workDirectory);
  const kept = [bundle, '--keep', '--target', join(workDirectory, 'kept')];
  await run([...kept, 'true']);
  const floor = [
    'bwrap',
    '--ro-bind',
    image.tree,
    '/',
    '--dev',
    '/dev',
    '--proc',
    '/proc',
    '--tmpfs',
    '/tmp',
  ];
  const ways = [
    { name: 'bwrap on an unpacked tree', prefix: floor },
    { name: 'rundle', prefix: [bundle] },
    { name: 'rundle --keep, again', prefix: kept },
    { name: 'makeself + bwrap', prefix: [makeself, '--quiet', '--'] },
  ];
  const results = [];
  for (const { name, prefix } of ways) {
    const result = { name };
    for (const program of programs) {
      progress(`start: ${name}, ${program.name}`);
      result[program.name] = await startTime([...prefix, ...program.argv], runs, workDirectory);
    }
    results.push(result);
  }
  return results;
}
