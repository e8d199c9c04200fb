import { createReadStream } from 'node:fs';
import { Command } from 'commander';
import { RundleError, reasonOf } from '../errors.js';
import { Folding } from '../hosts/fold.js';
import { expandNodes, MAX_NODES } from '../hosts/node-range.js';
import { readReports } from '../hosts/report-reader.js';
import { type Expectation, summarize } from '../hosts/summary.js';
import { VERSION } from '../version.js';
import { hostsJson, hostsText } from './hosts-text.js';
import { addOptions, type OptionRow } from './option.js';
import { openTerminal } from './terminal.js';

const GROUP = 'Options';

/** Every option of `rundle hosts`. */
export const HOSTS_OPTIONS: readonly OptionRow[] = [
  {
    flags: '--expect <N>',
    text: 'so many nodes must have reported; with --nodes, by default as many as that lists',
    group: GROUP,
  },
  {
    flags: '--nodes <LIST>',
    text: 'these nodes must have reported, such as "$SLURM_JOB_NODELIST"',
    group: GROUP,
  },
  { flags: '--json', text: 'print one JSON object, errors as JSON too', group: GROUP },
];

/** Exit status of an error: 1 and 2 are answers here. */
export const HOSTS_ERROR_STATUS = 3;

const HELP = `
FILE holds what ./app.run --verify --json has printed on each node; standard input is read without one, or for -.

Exit status: 0 all nodes run the bundle in the best tier, 2 some in a lesser one, 1 some do not run it or did not
report, 3 for an error.

Examples:
  rundle hosts reports/*.json
  srun -l --ntasks-per-node=1 ./app.run --verify --json | rundle hosts --nodes "$SLURM_JOB_NODELIST"
  mpirun --tag-output -npernode 1 ./app.run --verify --json | rundle hosts --expect 16
`;

interface HostsValues {
  expect?: string;
  nodes?: string;
  json?: true;
}

/** `rundle hosts`. */
export function hostsCommand(): Command {
  const command = new Command('hosts')
    .description('fold what --verify --json says on many nodes into one table')
    .argument('[FILE...]', 'reports; - is standard input')
    .addHelpText('after', HELP);
  return addOptions(command, HOSTS_OPTIONS).action(run);
}

async function run(files: readonly string[], values: HostsValues): Promise<void> {
  const { print } = openTerminal(true);
  const expectation = parseExpectation(values);
  const folding = new Folding();
  const inputs = files.length === 0 ? ['-'] : files;
  for (const input of inputs) {
    const [stream, name] = open(input);
    try {
      await readReports(stream, name, (report) => folding.add(report));
    } catch (cause) {
      if (cause instanceof RundleError) throw cause;
      throw new RundleError('E_SOURCE', `reading ${name}: ${reasonOf(cause)}`, { cause });
    }
  }
  if (folding.reports === 0) {
    throw new RundleError('E_FORMAT', `${inputs.map(label).join(', ')}: there is no report in it`, {
      hint: 'give what ./app.run --verify --json prints on each node',
    });
  }
  const summary = summarize(folding, expectation);
  print(values.json ? hostsJson(summary, VERSION) : hostsText(summary));
  process.exitCode = summary.exitStatus;
}

function open(path: string): [stream: AsyncIterable<Uint8Array>, name: string] {
  if (path !== '-') return [createReadStream(path), label(path)];
  if (process.stdin.isTTY) {
    throw new RundleError('E_USAGE', 'rundle hosts: standard input is a terminal', {
      hint: 'name files, or: srun -l ./app.run --verify --json | rundle hosts',
    });
  }
  return [process.stdin, label(path)];
}

const label = (path: string) => (path === '-' ? 'standard input' : `"${path}"`);

function parseExpectation({ expect, nodes }: HostsValues): Expectation {
  const count = expect === undefined ? undefined : parseCount(expect);
  const listed = nodes === undefined ? undefined : expandNodes(nodes, '--nodes');
  if (listed?.length === 0) throw new RundleError('E_USAGE', '--nodes: the list is empty');
  return { count, nodes: listed };
}

function parseCount(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MAX_NODES) return count;
  throw new RundleError('E_USAGE', `--expect "${text}" is not a number from 1 to ${MAX_NODES}`);
}
