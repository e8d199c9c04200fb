import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run, start } from './measure.mjs';

/** The longest that one command may take, in milliseconds: far more than any needs, so that nothing waits for ever. */
const patience = 300_000;

/** Compiles the program that measures, for all peers alike, to `directory`/probe. Static: it runs in any tree. */
export async function compileProbe(directory) {
  const source = join(import.meta.dirname, 'probe.c');
  const output = join(directory, 'probe');
  const options = ['-std=gnu11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror', '-static'];
  await run(['gcc', ...options, '-o', output, source]);
  return output;
}

/**
 * Starts a probe with `argv`, which may be a container around it. `ask` sends one command (probe.c lists them) and gives
 * its answer; what goes wrong inside throws here. `close` ends it and waits until it has ended.
 */
export function openProbe(argv, { env } = {}) {
  const { child, printed, end, ended } = start(argv, { stdio: ['pipe', 'pipe', 'pipe'], env });
  const lines = createInterface({ input: child.stdout });
  // A probe that has ended shows by its end, not by the pipe to it.
  child.stdin.on('error', () => undefined);

  async function ask(...words) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), patience);
    try {
      const answer = once(lines, 'line', { signal: controller.signal });
      child.stdin.write(`${words.join('\t')}\n`);
      const [line] = await Promise.race([answer, failure()]);
      return parse(line, words);
    } catch (error) {
      end();
      throw controller.signal.aborted
        ? new Error(`${describe(words)}: no answer within ${patience / 1000} s`)
        : error;
    } finally {
      clearTimeout(timer);
    }
  }

  async function failure() {
    await ended;
    throw new Error(`${argv.join(' ')}: ended without an answer\n${printed.stderr}`);
  }

  function parse(line, words) {
    const result = JSON.parse(line);
    if (result.error !== undefined || (result.status ?? 0) !== 0) {
      const reason = result.error ?? `status ${result.status}`;
      throw new Error(`${describe(words)}: ${reason}\n${printed.stderr}`);
    }
    return result;
  }

  async function close() {
    child.stdin.end();
    await ended;
  }

  return { ask, close, end };
}

function describe(words) {
  return words.join(' ');
}
