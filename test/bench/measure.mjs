import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const stopping = new AbortController();

/** Ends the command under way, so that its caller fails; later ones fail at once. */
export function stop() {
  stopping.abort(new Error('interrupted'));
}

/** Runs `argv` to its end and gives its standard output. Failure throws with all that it printed. */
export async function run(argv, { stderr = 'pipe' } = {}) {
  stopping.signal.throwIfAborted();
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', stderr],
    signal: stopping.signal,
  });
  const printed = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream]?.setEncoding('utf8').on('data', (text) => {
      printed[stream] += text;
    });
  }
  const [status, signal] = await once(child, 'close');
  if (status !== 0) {
    const end = signal ?? `status ${status}`;
    throw new Error(`${argv.join(' ')}: ${end}\n${printed.stdout}${printed.stderr}`);
  }
  return printed.stdout;
}

/**
 * Runs the commands one after the other, as one piece of work.
 * Gives its wall clock time in seconds and the greatest resident set of any of its processes in bytes.
 */
export async function measure(commands, workDirectory) {
  let memory = 0;
  const start = process.hrtime.bigint();
  for (const argv of commands) {
    // The kernel keeps the peak of each process; only wait4 tells it reliably, which Node has no call for.
    const report = join(workDirectory, 'memory');
    await run(['/usr/bin/time', '-q', '-f', '%M', '-o', report, ...argv]);
    memory = Math.max(memory, Number(readFileSync(report, 'utf8')) * 1024);
  }
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, memory };
}

/**
 * The median start time of `argv` in seconds, over at least `runs` runs after one that does not count.
 * hyperfine starts the program without a shell and takes its own cost off.
 */
export async function startTime(argv, runs, workDirectory) {
  const report = join(workDirectory, 'hyperfine.json');
  const line = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  await run(
    ['hyperfine', '--shell=none', '--style=none', '--warmup=1', `--min-runs=${runs}`].concat(
      '--export-json',
      report,
      line,
    ),
  );
  return JSON.parse(readFileSync(report, 'utf8')).results[0].median;
}

export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
