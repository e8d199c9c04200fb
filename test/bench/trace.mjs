import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from './measure.mjs';
import { openProbe } from './probe.mjs';
import { atMost } from './report.mjs';
import { bwrapCommand } from './start.mjs';

const SOURCES = 10;

/**
 * What tracing costs against namespaces, in nanoseconds: whole starts of a Python program, of a walk through the tree, and of a
 * compiler that is called for some files, over a tree that is there already. The compiler is the host's, shown inside.
 */
export async function measureTrace(context) {
  const { inputs, tools, runs, sizes, work, progress } = context;
  const { tree } = await inputs.image();
  const bundle = await inputs.bundle();
  const sources = join(work, 'sources');
  mkdirSync(sources, { recursive: true });
  for (let index = 0; index < SOURCES; index++) {
    const text = `#include <stdio.h>\n#include <stdlib.h>\nint f${index}(void) { return printf("%d", rand()); }\n`;
    writeFileSync(join(sources, `f${index}.c`), text);
  }
  const compile = 'for f in /mnt/*.c; do gcc -O1 -c -o /tmp/out.o $f || exit 1; done';
  const kept = ['-q', '-t', join(work, 'kept-tree')];
  const tier = (name, ...options) => ({
    name: `rundle, tier ${name}`,
    argv: [bundle.path, '--mode', name, ...options],
    compiler: ['-m', '/usr:/usr', '-m', `${sources}:/mnt`],
  });
  const ways = [
    {
      name: 'bwrap on an unpacked tree',
      argv: bwrapCommand(tree),
      compiler: ['--ro-bind', '/usr', '/usr', '--ro-bind', sources, '/mnt'],
    },
    tier('mount', '-q'),
    tier('extract', ...kept),
    tier('trace', ...kept),
  ];
  const shell = sizes.workload.name === 'true' ? ['true'] : ['sh', '-c', compile];
  const walk = sizes.workload.name === 'true' ? ['true'] : ['find', '/usr', '/var', '-size', '+1G'];
  const host = openProbe([join(tools, 'probe')]);
  const samples = ways.map(() => ({ program: [], walk: [], compile: [] }));
  try {
    for (let round = 0; round <= runs; round++) {
      progress(`tiers ${round}/${runs}`);
      for (const [index, { argv, compiler }] of ways.entries()) {
        const works = {
          program: [...argv, ...sizes.workload.argv],
          walk: [...argv, ...walk],
          compile: [...argv, ...(shell.length > 1 ? compiler : []), ...shell],
        };
        for (const [work, words] of Object.entries(works)) {
          const { ns } = await host.ask('start', ...words);
          // The first round makes the kept tree, and warms the caches.
          if (round > 0) samples[index][work].push(ns);
        }
      }
    }
    await host.close();
  } finally {
    host.end();
  }
  const seconds = (key, title) => ({ key, title, scale: 1e-9, digits: 3, ratio: true });
  const columns = [
    { key: 'name', title: 'over a tree that is there' },
    seconds('program', `${sizes.workload.name} s`),
    seconds('walk', 'find s'),
    seconds('compile', `${SOURCES} × gcc s`),
  ];
  const rows = ways.map(({ name }, index) => ({
    name,
    ...Object.fromEntries(Object.entries(samples[index]).map(([key, list]) => [key, median(list)])),
  }));
  const ratio = (key) => rows[3][key] / rows[0][key];
  return {
    tables: [{ columns, rows }],
    goals: [
      atMost(
        `start of ${sizes.workload.name}, tier trace against bwrap`,
        'times',
        ratio('program'),
        4,
      ),
      atMost('compiler, tier trace against bwrap', 'times', ratio('compile'), 5),
    ],
  };
}
