import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const stopping = new AbortController();

/** Ends the commands under way, so that their callers fail; later ones fail at once. */
export function stop() {
  stopping.abort(new Error('interrupted'));
}

export function throwIfStopped() {
  stopping.signal.throwIfAborted();
}

/**
 * Starts `argv`. Gives the child, all that it has printed so far on the streams that are pipes, `end` to end it with
 * what it has started, and a promise of its end, which throws when it fails.
 */
export function start(argv, { stdio = ['ignore', 'pipe', 'pipe'], env } = {}) {
  stopping.signal.throwIfAborted();
  const [program, ...args] = argv;
  // A process group of its own, so that an interruption ends what the program has started too.
  const child = spawn(program, args, { stdio, env, detached: true });
  const end = () => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      process.kill(-child.pid, 'SIGTERM');
    }
  };
  stopping.signal.addEventListener('abort', end);
  const printed = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream]?.setEncoding('utf8').on('data', (text) => {
      printed[stream] += text;
    });
  }
  const ended = once(child, 'close')
    .finally(() => stopping.signal.removeEventListener('abort', end))
    .then(([status, signal]) => {
      stopping.signal.throwIfAborted();
      if (status !== 0) {
        const how = signal ?? `status ${status}`;
        throw new Error(`${argv.join(' ')}: ${how}\n${printed.stdout}${printed.stderr}`);
      }
    });
  // Whoever waits for the end sees the failure; until then it must not end the benchmark as unhandled.
  ended.catch(() => undefined);
  return { child, printed, end, ended };
}

/** Runs `argv` to its end and gives its standard output. Failure throws with all that it printed. */
export async function run(argv, { stderr = 'pipe' } = {}) {
  const { printed, ended } = start(argv, { stdio: ['ignore', 'pipe', stderr] });
  await ended;
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
  const begin = process.hrtime.bigint();
  for (const argv of commands) {
    // The kernel keeps the peak of each process; only wait4 tells it reliably, which Node has no call for.
    const report = join(workDirectory, 'resources');
    await run(['/usr/bin/time', '-q', '-f', '%M %U %S', '-o', report, ...argv]);
    const [kibibytes, user, system] = readFileSync(report, 'utf8').split(' ').map(Number);
    memory = Math.max(memory, kibibytes * 1024);
    cpu += user + system;
  }
  return { seconds: Number(process.hrtime.bigint() - begin) / 1e9, cpu, memory };
}

/** The median; null when nothing was measured. */
export function median(numbers) {
  if (numbers.length === 0) {
    return null;
  }
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Fails unless all counts are about the same: a peer that did other work cannot be compared. */
export function agree(what, counts) {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (most > least * 1.02 || most === 0) {
    throw new Error(`${what}: the peers did not do the same work, from ${least} to ${most}`);
  }
}
