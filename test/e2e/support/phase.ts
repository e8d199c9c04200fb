import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Profile, runAs } from './profile.js';

/** Compile phase.c into `directory`; returns its path. */
export function compilePhase(directory: string): string {
  const program = join(directory, 'phase');
  const source = fileURLToPath(new URL('phase.c', import.meta.url));
  execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  return program;
}

/** Which process of a start is killed, as options of phase.c. */
export interface Victim {
  name: string;
  options: readonly string[];
}

/** How one start ended that was killed at some system call, or was to be. */
export interface Phase {
  /** False when the process ended by itself first. */
  killed: boolean;
  /** How often the process that was started had called execve: 0 in the header, 1 in the launcher. */
  execs: number;
  /** How the process that was started ended, as `exit N` or `signal N`. */
  end: string;
  stderr: string;
}

/** Start `command` and kill the victim at its `number`th system call; a start that hangs fails after a minute. */
export async function killAt(
  profile: Profile,
  program: string,
  victim: Victim,
  number: number,
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Phase> {
  const outcome = await runAs(profile, [program, ...victim.options, String(number), ...command], {
    env,
  });
  const [, what, execs, end] = /^(killed|ended) (\d+) (.*)\n$/.exec(outcome.stdout) ?? [];
  if (what === undefined || execs === undefined || end === undefined) {
    throw new Error(
      `phase ${number}: ${outcome.status} ${outcome.signal} ${outcome.stdout}${outcome.stderr}`,
    );
  }
  return { killed: what === 'killed', execs: Number(execs), end, stderr: outcome.stderr };
}

/**
 * How many system calls lie between two that are tried. With RUNDLE_TEST_EVERY_PHASE set every one is: all phases of a
 * start, some thousand starts.
 */
export const stride = (usual: number): number =>
  process.env.RUNDLE_TEST_EVERY_PHASE === undefined ? usual : 1;
