import { Command } from 'commander';
import { VERSION } from '../version.js';
import { buildCommand } from './build.js';
import { cacheCommand } from './cache.js';
import { hostsCommand } from './hosts.js';
import { inspectCommand } from './inspect.js';
import { unpackCommand } from './unpack.js';

const HELP = `
Examples:
  rundle build oci:my-image -o app.run
  ./app.run
  rundle inspect app.run

rundle COMMAND --help tells more about a command.
`;

/** The whole command line. It throws instead of exiting, and prints nothing but help and version. */
export function program(): Command {
  const command = new Command('rundle')
    .description('a container image in, one self-running file out')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', HELP);
  const parts = [buildCommand(), inspectCommand(), unpackCommand(), cacheCommand(), hostsCommand()];
  for (const part of parts) {
    command.addCommand(part.helpOption('-h, --help', 'print this help').helpGroup('Commands:'));
  }
  const nested = command.commands.flatMap((part) => part.commands);
  for (const part of [command, ...command.commands, ...nested]) {
    part.exitOverride().configureOutput({ writeErr: () => undefined });
  }
  return command;
}
