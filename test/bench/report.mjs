/** The goals of the project, judged on measured figures. */
export function judge(builds, starts) {
  const build = builds[0];
  const yardstick = builds.find(
    ({ from, name }) => from === 'tree' && name.startsWith('mksquashfs'),
  );
  const start = starts.find(({ name }) => name === 'rundle');
  return [
    goal('file', 'MB', build.size / 1e6, 90),
    goal('file, against mksquashfs of this run', 'MB', build.size / 1e6, yardstick.size / 1e6),
    goal('image to file', 's', build.seconds, 6),
    goal('memory of the build', 'MB', build.memory / 1e6, 400),
    goal('start of true', 'ms', start.true * 1e3, 8),
    goal('start of numpy', 's', start.numpy, 0.2),
  ];
}

function goal(name, unit, figure, limit) {
  return { name, unit, figure, limit, reached: figure <= limit };
}

/** The report as Markdown. Ratios are against the first line of the same kind, so 2.00 is twice as much. */
export function toMarkdown({ machine, runs, builds, starts, goals }) {
  const [rundle] = builds;
  const [floor] = starts;
  return [
    `${machine}; medians of ${runs} builds and of at least ${runs} starts.`,
    '',
    ...table(
      ['build', 'from', 's', 'ratio', 'CPU s', 'memory MB', 'ratio', 'file MB', 'ratio'],
      builds.map(({ name, from, seconds, cpu, memory, size }) => [
        name,
        from,
        seconds.toFixed(2),
        ratio(seconds, rundle.seconds),
        cpu.toFixed(2),
        (memory / 1e6).toFixed(0),
        ratio(memory, rundle.memory),
        (size / 1e6).toFixed(1),
        ratio(size, rundle.size),
      ]),
    ),
    '',
    ...table(
      ['start', 'true ms', 'ratio', 'numpy s', 'ratio'],
      starts.map((start) => [
        start.name,
        (start.true * 1e3).toFixed(1),
        ratio(start.true, floor.true),
        start.numpy.toFixed(3),
        ratio(start.numpy, floor.numpy),
      ]),
    ),
    '',
    ...table(
      ['goal', 'at most', 'measured', 'reached'],
      goals.map(({ name, unit, figure, limit, reached }) => [
        name,
        `${number(limit)} ${unit}`,
        `${number(figure)} ${unit}`,
        reached ? 'yes' : 'no',
      ]),
    ),
    '',
  ].join('\n');
}

function ratio(value, base) {
  return (value / base).toFixed(2);
}

function number(value) {
  return Number(value.toPrecision(3)).toString();
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(head),
    line(head.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rows.map(line),
  ];
}
