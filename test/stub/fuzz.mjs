// Runs the libFuzzer targets of stub/fuzz/ on a corpus made anew: fuzz.mjs [--seconds N] [--corpus DIR] [TARGET...]
// N seconds each (600), all targets at once when there are several. Inputs that were found stay in DIR, when it is given, for
// the next run. Exit 1 when a target failed; the input that did it lies in stub/build/fuzz/.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeCorpus } from './fuzz-corpus.mjs';

const stub = new URL('../../stub', import.meta.url).pathname;
const build = join(stub, 'build/fuzz');

const LIMITS = [
  '-timeout=10',
  '-rss_limit_mb=1024',
  '-malloc_limit_mb=64',
  '-max_len=65536',
  '-len_control=0',
];
const DICTIONARIES = { text_fuzz: 'text.dict', bundle_fuzz: 'text.dict' };

/** What a run prints about itself: the number of inputs, edges covered, and the text when it failed. */
function run(target, corpus, seconds) {
  const dictionary = DICTIONARIES[target];
  const argv = [
    ...LIMITS,
    `-max_total_time=${seconds}`,
    `-artifact_prefix=${build}/${target}-`,
    '-print_final_stats=1',
    ...(dictionary === undefined ? [] : [`-dict=${join(stub, 'fuzz', dictionary)}`]),
    join(corpus, target),
  ];
  return new Promise((resolve) => {
    const child = spawn(join(build, target), argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (piece) => {
      log = `${log}${piece}`.slice(-200_000);
    });
    child.on('close', (status, signal) => resolve({ target, status: status ?? signal, log }));
  });
}

function report({ target, status, log }) {
  const last = (pattern) => [...log.matchAll(pattern)].at(-1)?.[1] ?? '?';
  const runs = last(/number_of_executed_units:\s+(\d+)/g);
  const peak = last(/peak_rss_mb:\s+(\d+)/g);
  console.log(
    `${target}: status ${status}, ${runs} runs, ${last(/cov: (\d+)/g)} edges, ${last(/ft: (\d+)/g)} features, ${peak} MB`,
  );
  if (status !== 0) console.log(log.slice(-8000));
}

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, corpus: { type: 'string' } },
  allowPositionals: true,
});
const made = spawnSync(
  'flock',
  [join(stub, 'build/.test-lock'), 'make', '-s', '-j2', '-C', stub, 'fuzz'],
  {
    stdio: 'inherit',
  },
);
if (made.status !== 0) process.exit(1);
const known = readdirSync(join(stub, 'fuzz')).flatMap((name) =>
  name.endsWith('.c') ? [name.slice(0, -2)] : [],
);
const targets = positionals.length > 0 ? positionals : known;
const corpus = values.corpus ?? mkdtempSync(join(tmpdir(), 'rundle-fuzz-'));
try {
  mkdirSync(corpus, { recursive: true });
  await makeCorpus(corpus);
  const outcomes = await Promise.all(
    targets.map((target) => run(target, corpus, Number(values.seconds))),
  );
  for (const outcome of outcomes) report(outcome);
  process.exitCode = outcomes.every(({ status }) => status === 0) ? 0 : 1;
} finally {
  if (values.corpus === undefined) rmSync(corpus, { recursive: true });
}
