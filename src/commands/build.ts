import { Command } from 'commander';
import { buildBundle } from '../build.js';
import type { BundleSummary } from '../bundle/assemble.js';
import { formatBytes, formatSeconds } from '../progress/progress.js';
import { SOURCE_SYNTAX } from '../source/open.js';
import { BUILD_OPTIONS, type BuildValues, buildRequest } from './build-options.js';
import { withCache } from './cache-options.js';
import { sourceDateEpoch, workerCount } from './environment.js';
import { addOptions } from './option.js';
import { registryAccess } from './registry-access.js';
import { describeSections } from './sections.js';
import { openTerminal, type Terminal } from './terminal.js';
import { printable } from './text.js';

const HELP = `
SOURCE is one of ${SOURCE_SYNTAX.join(', ')}.

Examples:
  rundle build docker://ubuntu:24.04 -o ubuntu.run
  rundle build oci:my-image -o app.run
  rundle build docker-archive:saved.tar --entrypoint '["python3", "-u"]' --env OMP_NUM_THREADS=4
  rundle build dir:rootfs --rc start.sh --copy data:/opt/ --mount /scratch:/scratch
  rundle build enroot-image.sqsh
  rundle build app.run -o other.run --env OMP_NUM_THREADS=8

A path that ends in .sqsh, .squashfs, .sqfs, .sif or .run needs no transport. What such an image has compressed already in the form
that the bundle needs is copied, unless --level is given.

The same input gives the same bytes. With SOURCE_DATE_EPOCH set, that is the time of what the build adds, and copied files
are not newer.
`;

/** `rundle build SOURCE`. */
export function buildCommand(): Command {
  const command = new Command('build')
    .description('make one self-running file from a container image')
    .argument('<SOURCE>', 'where the image is')
    .addHelpText('after', HELP);
  return addOptions(command, BUILD_OPTIONS).action(run);
}

async function run(source: string, values: BuildValues): Promise<void> {
  const started = performance.now();
  const terminal = openTerminal((values.quiet || values.json) ?? false);
  try {
    const request = await buildRequest(source, values, process.env);
    const registry = await registryAccess(source, values, process.env, process.stdin);
    const summary = await withCache(source, values, process.env, terminal, (cache) =>
      buildBundle(request, {
        progress: terminal.progress,
        workers: workerCount(process.env),
        sourceDateEpoch: sourceDateEpoch(process.env),
        registry: { ...registry, cache },
      }),
    );
    terminal.progress.close();
    const seconds = (performance.now() - started) / 1000;
    if (values.json) terminal.print(`${JSON.stringify(describe(summary, seconds))}\n`);
    else if (!values.quiet) tell(summary, seconds, terminal);
  } finally {
    terminal.progress.close();
  }
}

function tell(summary: BundleSummary, seconds: number, terminal: Terminal): void {
  const file = printable(summary.path);
  const { manifest } = summary;
  const { omissionCount, architectures, programs = [] } = manifest;
  const without = architectures.filter((one) => programs.every(({ sections }) => !sections[one]));
  if (without.length > 0) {
    const where = without.join(' and ');
    terminal.remark(
      `this installation has no PRoot for ${where}: the bundle does not start on hosts without user namespaces`,
    );
  }
  const partly = [manifest, ...(manifest.platforms ?? [])]
    .flatMap(({ requirements = [] }) => requirements)
    .flatMap(({ from, notChecked = [] }) => (notChecked.length > 0 && from ? [from] : []));
  if (partly.length > 0) {
    const names = [...new Set(partly)].map(printable).join(' and ');
    terminal.remark(`not all of ${names} can be checked; rundle inspect ${file} says what`);
  }
  if (omissionCount > 0) {
    const what = omissionCount === 1 ? '1 thing' : `${omissionCount} things`;
    terminal.remark(`${what} left out or changed; rundle inspect ${file} lists what`);
  }
  terminal.print(`${file}: ${formatBytes(summary.size)} in ${formatSeconds(seconds)}\n`);
}

function describe(summary: BundleSummary, seconds: number): Record<string, unknown> {
  const { path, size, sections, manifest, payload } = summary;
  return {
    schema: 1,
    file: path,
    size,
    seconds: Math.round(seconds * 1000) / 1000,
    id: payload.sha256,
    sections: describeSections(sections),
    manifest,
  };
}
