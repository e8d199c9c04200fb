import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { median } from './measure.mjs';
import { inPlace, rundle, squashfuse, squashfuseCommand, unmount } from './places.mjs';
import { openProbe } from './probe.mjs';
import { atMost, memoryGoal } from './report.mjs';
import { bwrapCommand } from './start.mjs';

/**
 * The time of a small numpy program, in nanoseconds: the whole start from outside (`first`), and when it is run again in
 * the container that it was run in before (`again`).
 */
export async function measureNumpy(context) {
  const { inputs, tools, runs, sizes, progress } = context;
  const { tree } = await inputs.image();
  const bundle = await inputs.bundle();
  const makeself = await inputs.makeself();
  const host = openProbe([join(tools, 'probe')]);
  const container = (root) => [...bwrapCommand(root, '--ro-bind', tools, '/mnt'), '/mnt/probe'];
  const { name, argv } = sizes.workload;
  const samples = {};
  const add = (way, key, value) => {
    samples[way] ??= { first: [], again: [], memory: [] };
    samples[way][key].push(value);
  };

  async function again(way, probe) {
    await probe.ask('start', ...argv); // the first one in this container
    for (let count = 0; count < 3; count++) {
      add(way, 'again', (await probe.ask('start', ...argv)).ns);
    }
  }

  try {
    for (let round = 1; round <= runs; round++) {
      progress(`${name} ${round}/${runs}`);
      for (let count = 0; count < 3; count++) {
        add('tree', 'first', (await host.ask('start', ...bwrapCommand(tree), ...argv)).ns);
        add(rundle, 'first', (await host.ask('start', bundle.path, ...argv)).ns);
      }
      add('makeself', 'first', (await host.ask('start', makeself, '--quiet', '--', ...argv)).ns);

      const inTree = openProbe(container(tree));
      await again('tree', inTree);
      await inTree.close();
      const { memory } = await inPlace(rundle, bundle, context, async ({ probe }) => {
        await again(rundle, probe);
      });
      add(rundle, 'memory', memory);
      await withSquashfuse(bundle, context, async (root, mount) => {
        add(
          squashfuse,
          'first',
          (await host.ask('start', ...mount, ...bwrapCommand(root), ...argv)).ns,
        );
        const probe = openProbe(container(root));
        await again(squashfuse, probe);
        await probe.close();
      });
    }
    await host.close();
  } finally {
    host.end();
  }

  const rows = ['tree', rundle, squashfuse, 'makeself'].map((way) => ({
    name: { tree: 'bwrap on an unpacked tree', makeself: 'makeself + bwrap' }[way] ?? way,
    first: median(samples[way].first),
    again: median(samples[way].again),
  }));
  rows[2].name = `${squashfuse} + bwrap`;
  const columns = [
    { key: 'name', title: `start of ${name}` },
    { key: 'first', title: 'first s', scale: 1e-9, digits: 3, ratio: true },
    { key: 'again', title: 'again s', scale: 1e-9, digits: 3, ratio: true },
  ];
  return {
    tables: [{ columns, rows }],
    goals: [
      atMost(`start of ${name}, first`, 's', rows[1].first / 1e9, 0.2),
      atMost(
        `start of ${name}, again, against the tree`,
        'times',
        rows[1].again / rows[0].again,
        1.12,
      ),
      memoryGoal(name, Math.max(...samples[rundle].memory)),
    ],
  };
}

/** Calls `use` with a directory and the words that mount the payload there before the command behind them. */
async function withSquashfuse(bundle, { work }, use) {
  const root = join(work, 'mounted');
  mkdirSync(root);
  const mount = squashfuseCommand(bundle, root);
  const script = '"$1" "$2" "$3" "$4" "$5" && shift 5 && exec "$@"';
  try {
    await use(root, ['sh', '-c', script, 'sh', ...mount]);
  } finally {
    unmount(root);
  }
}
