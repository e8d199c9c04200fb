#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { failureJson, failureOf, failureText } from './commands/failure.js';
import { HOSTS_ERROR_STATUS } from './commands/hosts.js';
import { program } from './commands/program.js';
import { RundleError } from './errors.js';
import { endAll } from './interruption.js';

/** Signals that end the work, and the exit status of each: 128 and the signal's number. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

let interrupted = false;

for (const [signal, status] of Object.entries(SIGNALS)) {
  process.on(signal, () => {
    // The second time there is no patience for tidying up that takes long.
    if (interrupted) process.exit(status);
    interrupted = true;
    void endAll().finally(() => process.exit(status));
  });
}

// A reader that has seen enough, such as head(1), is no reason to complain.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<void> {
  try {
    refuseLostBytes();
    const command = program();
    if (args.length === 0) {
      process.stderr.write(command.helpInformation());
      process.exitCode = 2;
      return;
    }
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!interrupted) report(error, args);
  }
}

function report(error: unknown, args: readonly string[]): void {
  // --help and --version end this way too, after they have printed.
  if (error instanceof CommanderError && error.exitCode === 0) return;
  const failure = failureOf(error);
  const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  process.stderr.write(options.includes('--json') ? failureJson(failure) : failureText(failure));
  if (process.env.RUNDLE_DEBUG === '1') console.error(error);
  process.exitCode = args[0] === 'hosts' ? HOSTS_ERROR_STATUS : failure.status;
}

/** Node decodes arguments as UTF-8 and loses what is not; a file of another name must not be taken instead. */
function refuseLostBytes(): void {
  if (!process.argv.some((argument) => argument.includes('\uFFFD'))) return;
  let bytes: Uint8Array;
  try {
    bytes = readFileSync('/proc/self/cmdline');
  } catch {
    return;
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RundleError('E_USAGE', 'an argument is not UTF-8', {
      hint: 'name files by a path in UTF-8, for example through a symbolic link',
    });
  }
}
