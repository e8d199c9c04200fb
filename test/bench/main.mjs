import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBuilds } from './build.mjs';
import { measureFind } from './find.mjs';
import { chooseSizes } from './image.mjs';
import { makeInputs } from './inputs.mjs';
import { stop, throwIfStopped } from './measure.mjs';
import { measureNumpy } from './numpy.mjs';
import { compileProbe } from './probe.mjs';
import { measurePulls } from './pull.mjs';
import { measureRandom } from './random.mjs';
import { measureRead } from './read.mjs';
import { sectionToMarkdown, summaryToMarkdown } from './report.mjs';
import { measureStarts } from './start.mjs';
import { measureTrace } from './trace.mjs';

const sections = {
  build: { title: 'Build', measure: measureBuilds },
  pull: { title: 'Pull from a registry', measure: measurePulls },
  start: { title: 'Start', measure: measureStarts },
  numpy: { title: 'Start of a Python program', measure: measureNumpy },
  find: { title: 'Metadata', measure: measureFind },
  read: { title: 'Whole tree', measure: measureRead },
  trace: { title: 'Without namespaces', measure: measureTrace },
  random: { title: 'Random reads, and the block size', measure: measureRandom },
};
const names = Object.keys(sections);

const usage = `usage: npm run bench -- [--runs N] [--only SECTION,...] [--json FILE] [--scratch DIR] [--quick]

Measures rundle side by side with what else there is, N times each in turns (3 by default), and prints medians, ratios
and goals as Markdown, each section as soon as it is measured: ${names.join(', ')}.

--json FILE    also write the figures there, after each section
--scratch DIR  keep the generated images there for the next time (5 GB)
--quick        small images: shows that everything works; the figures mean nothing

Works in $TMPDIR, which needs 15 GB. As root it measures more: kernel mounts, starts by an ordinary user and by root, and
starts after the page cache has been dropped.
`;

function readArguments() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '3' },
      only: { type: 'string', default: names.join(',') },
      json: { type: 'string' },
      scratch: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return undefined;
  }
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1) {
    throw new Error(`--runs takes a whole number of at least 1, not ${values.runs}`);
  }
  const chosen = values.only.split(',');
  for (const name of chosen) {
    if (!names.includes(name)) {
      throw new Error(`--only takes some of ${names.join(',')}, not ${name}`);
    }
  }
  return { ...values, runs, only: names.filter((name) => chosen.includes(name)) };
}

function describeMachine() {
  const user =
    process.getuid() === 0 ? 'root' : 'an ordinary user: no kernel squashfs, no dropped caches';
  return `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown CPU'}, Linux ${release()}, Node ${process.version}, as ${user}`;
}

let underWay = 'before the first measurement';

async function bench({ runs, only, json, scratch, quick }) {
  const repository = resolve(import.meta.dirname, '../..');
  const work = mkdtempSync(join(tmpdir(), 'rundle-bench-'));
  const progress = (text) => {
    underWay = text;
    process.stderr.write(`${text}\n`);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, stop);
  }
  const report = { machine: describeMachine(), quick, runs, sections: [] };
  try {
    // An ordinary user starts bundles below.
    chmodSync(work, 0o755);
    const tools = join(work, 'tools');
    mkdirSync(tools);
    const context = {
      repository,
      work,
      tools,
      runs,
      isQuick: quick,
      sizes: chooseSizes(quick),
      progress,
    };
    context.scratch = scratch === undefined ? join(work, 'scratch') : resolve(scratch);
    mkdirSync(context.scratch, { recursive: true });
    context.inputs = makeInputs(context);
    progress('probe');
    await compileProbe(tools);
    const quickly = quick ? ' Small images: the figures mean nothing.' : '';
    process.stdout.write(`${report.machine}; medians of ${runs} runs.${quickly}\n\n`);
    for (const name of only) {
      const section = await measureSection(name, context);
      report.sections.push(section);
      process.stdout.write(sectionToMarkdown(section));
      if (json !== undefined) {
        writeFileSync(`${json}.part`, `${JSON.stringify(report, null, 2)}\n`);
        renameSync(`${json}.part`, json);
      }
    }
    process.stdout.write(summaryToMarkdown(report));
    return report.sections.every(({ error }) => error === undefined);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A section that fails says why in its place; the others are measured all the same, unless the user wants to stop. */
async function measureSection(name, context) {
  const { title, measure } = sections[name];
  const begin = performance.now();
  context.progress(title);
  let measured = { tables: [], goals: [] };
  try {
    measured = await measure(context);
  } catch (error) {
    throwIfStopped();
    measured.error = `${underWay}: ${error.message}`;
    process.stderr.write(`bench: ${measured.error}\n`);
  }
  return { name, title, ...measured, seconds: (performance.now() - begin) / 1000 };
}

// Until all is measured the status is 1: also when Node finds nothing left to wait for and ends by itself.
process.exitCode = 1;
let ended = false;
process.on('exit', () => {
  if (!ended) {
    process.stderr.write(`bench: ended in the middle of: ${underWay}\n`);
  }
});
try {
  const options = readArguments();
  if (options === undefined || (await bench(options))) {
    process.exitCode = 0;
  }
} catch (error) {
  process.stderr.write(`bench: ${underWay}: ${error.message}\n`);
}
ended = true;
