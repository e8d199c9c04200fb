import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { parseReport, type Report } from '#rundle/hosts/report.js';
import { compileC, type Ended, launch, makeTree, makeWorkbench, pack } from './workbench.js';

/** What tests of `--verify` start: one bundle without PRoot, by an installed launcher. */
export const bench = makeWorkbench();
afterAll(() => bench.remove());

const tree = join(bench.directory, 'tree');
mkdirSync(tree);
makeTree(tree);
/* What a builder adds, so that no overlay is needed. */
for (const name of ['group', 'hosts', 'hostname', 'resolv.conf', 'machine-id', 'localtime']) {
  appendFileSync(join(tree, 'etc', name), '');
}
export const bundle = pack(bench, tree, ['cmd=/bin/true']);
export const packed = (...entries: string[]) => pack(bench, tree, ['cmd=/bin/true', ...entries]);
/** One that no directory has room for. */
export const huge = pack(bench, tree, ['cmd=/bin/true'], { size: '999999999999999' });

const compiled = (name: string, source: string) => {
  const program = join(bench.directory, name);
  const path = fileURLToPath(new URL(`../../${source}`, import.meta.url));
  execFileSync('gcc', ['-O1', '-o', program, path]);
  return program;
};

/** Runs a command line with system calls refused: `refuse NAME=ERRNO ... --`. */
export const refuse = compiled('refuse', 'situations/support/refuse-call.c');
/** Runs a command line where a type of file system cannot be mounted: `refuse TYPE ERRNO`. */
export const refuseMount = compiled('refuse-mount', 'e2e/support/refuse.c');

/** The same without paths, also for chroot: `without NAME=ERRNO ... --`. */
export const without = compileC(join(bench.directory, 'without'), ['support/without.c']);

/** Words that run what follows in a mount namespace that a script has prepared. */
export const prepared = (script: string) => [
  ...['unshare', '-m', 'sh', '-euc', `${script}\nexec "$@"`, 'sh'],
];

export interface Verified extends Ended {
  report: Report;
  /** The check of that id; throws when there is none. */
  check: (id: string) => Report['checks'][number];
}

interface Given {
  words?: readonly string[];
  path?: string;
  environment?: Readonly<Record<string, string>>;
}

const start = ({ words = [], path = bundle, environment = {} }: Given, argv: readonly string[]) =>
  launch(
    [...words, bench.launcher, 'installed', '0', path, '--verify', ...argv],
    { TMPDIR: bench.scratch, HOME: bench.directory, ...environment },
    { cwd: bench.directory },
  ).ended;

/** What `--verify` tells people. */
export const told = (given: Given, ...argv: string[]) => start(given, argv);

/** `--verify --json`, whose status has to be that of the report. */
export async function verify(given: Given = {}, ...argv: string[]): Promise<Verified> {
  const ended = await start(given, ['--json', ...argv]);
  if (!ended.stdout.endsWith('\n')) throw new Error(`no report: ${ended.stdout}${ended.stderr}`);
  const report = parseReport(JSON.parse(ended.stdout), 'standard output');
  if (report.exitStatus !== ended.status) throw new Error(`status ${ended.status}`);
  const check = (id: string) => {
    const found = report.checks.find((one) => one.id === id);
    if (found === undefined) throw new Error(`no check ${id}`);
    return found;
  };
  return { ...ended, report, check };
}
