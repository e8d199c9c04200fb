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
  // A process group of its own, so that an interruption ends what the program has started too.
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', stderr], detached: true });
  const end = () => process.kill(-child.pid, 'SIGTERM');
  stopping.signal.addEventListener('abort', end);
  const printed = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream]?.setEncoding('utf8').on('data', (text) => {
      printed[stream] += text;
    });
  }
  const [status, signal] = await once(child, 'close').finally(() => {
    stopping.signal.removeEventListener('abort', end);
  });
  stopping.signal.throwIfAborted();
  if (status !== 0) {
    const how = signal ?? `status ${status}`;
    throw new Error(`${argv.join(' ')}: ${how}\n${printed.stdout}${printed.stderr}`);
  }
  return printed.stdout;
}

/**
 * Runs the commands one after the other, as one piece of work.
 * Gives its wall clock time and its processor time in seconds, and the greatest resident set of any of its processes
 * in bytes.
 */
export async function measure(commands, workDirectory) {
  let memory = 0;
  let cpu = 0;
  const start = process.hrtime.bigint();
  for (const argv of commands) {
    // The kernel keeps the peak of each process; only wait4 tells it reliably, which Node has no call for.
    const report = join(workDirectory, 'resources');
    await run(['/usr/bin/time', '-q', '-f', '%M %U %S', '-o', report, ...argv]);
    const [kibibytes, user, system] = readFileSync(report, 'utf8').split(' ').map(Number);
    memory = Math.max(memory, kibibytes * 1024);
    cpu += user + system;
  }
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, cpu, memory };
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
