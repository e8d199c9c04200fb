import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBuilds } from './build.mjs';
import { prepareImage } from './image.mjs';
import { stop } from './measure.mjs';
import { judge, toMarkdown } from './report.mjs';
import { measureStarts } from './start.mjs';

const usage = `usage: npm run bench -- [--runs N] [--json]

Builds the numpy image with rundle, mksquashfs, tar2sqfs and makeself, N times each (3 by default), and times how
long the results take to start. Prints Markdown tables, or JSON. Works in $TMPDIR, which needs 2 GB.
`;

function readArguments() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new Error(`--runs takes a whole number of at least 1, not ${values.runs}`);
  }
  return { runs, json: values.json };
}

function describeMachine() {
  const user = process.getuid() === 0 ? 'root' : 'an ordinary user';
  return `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown CPU'}, Linux ${release()}, Node ${process.version}, as ${user}`;
}

async function bench({ runs, json }) {
  const repository = resolve(import.meta.dirname, '../..');
  const workDirectory = mkdtempSync(join(tmpdir(), 'rundle-bench-'));
  const progress = (text) => process.stderr.write(`${text}\n`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, stop);
  }
  try {
    progress('image: Debian 12, numpy, OpenBLAS');
    const image = await prepareImage(repository, workDirectory);
    const context = { repository, image, workDirectory, runs, progress };
    const builds = await measureBuilds(context);
    const starts = await measureStarts(context);
    const result = {
      machine: describeMachine(),
      runs,
      builds,
      starts,
      goals: judge(builds, starts),
    };
    process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : toMarkdown(result));
  } finally {
    rmSync(workDirectory, { recursive: true, force: true });
  }
}

try {
  await bench(readArguments());
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
}
