/** A goal that is reached by a figure of at most `limit`. */
export function atMost(name, unit, figure, limit) {
  return { name, unit, figure, limit, bound: 'at most', reached: figure <= limit };
}

/** A goal that is reached by a figure of at least `limit`. */
export function atLeast(name, unit, figure, limit) {
  return { name, unit, figure, limit, bound: 'at least', reached: figure >= limit };
}

/** The bound of the server's memory, which each section that has one checks at its end. */
export function memoryGoal(where, bytes) {
  return atMost(`server memory, ${where}`, 'MB', bytes / 1e6, 48);
}

/**
 * One section as Markdown. A table is {columns, rows}: a column is {key, title, digits, scale, ratio}; its figures are
 * multiplied by `scale`, and with `ratio` stand beside their ratio to the first figure of the column. A figure that
 * could not be measured here is null.
 */
export function sectionToMarkdown({ title, tables, goals, error, seconds }) {
  return [
    `## ${title} (${seconds.toFixed(0)} s)`,
    '',
    ...tables.flatMap((table) => [...tableToMarkdown(table), '']),
    ...goals.map((goal) => `- ${goalToText(goal)}`),
    ...(error === undefined ? [] : [`NOT MEASURED: ${error.trimEnd()}`]),
    '',
    '',
  ].join('\n');
}

/** What did not go well, once more at the end. */
export function summaryToMarkdown({ sections }) {
  const goals = sections.flatMap((section) => section.goals);
  const missed = goals.filter(({ reached }) => !reached);
  const failed = sections.filter(({ error }) => error !== undefined);
  return [
    `## ${goals.length - missed.length} of ${goals.length} goals reached`,
    '',
    ...missed.map((goal) => `- ${goalToText(goal)}`),
    ...failed.map(({ title }) => `- NOT MEASURED: ${title}`),
    '',
  ].join('\n');
}

function goalToText({ name, unit, figure, limit, bound, reached }) {
  const verdict = reached ? 'reached' : 'MISSED';
  return `${verdict}: ${name}: ${number(figure)} ${unit}, goal ${bound} ${number(limit)}`;
}

function number(value) {
  return Number(value.toPrecision(3)).toString();
}

function tableToMarkdown({ columns, rows }) {
  const cells = columns.flatMap(({ key, title, ratio, scale = 1, digits = 0 }) => {
    const base = rows.map((row) => row[key]).find((value) => value !== null);
    const format = (value) => (typeof value === 'string' ? value : (value * scale).toFixed(digits));
    return [
      { title, text: (row) => (row[key] === null ? '' : format(row[key])) },
      ...(ratio
        ? [
            {
              title: 'ratio',
              text: (row) => (row[key] === null ? '' : (row[key] / base).toFixed(2)),
            },
          ]
        : []),
    ];
  });
  const line = (texts) => `| ${texts.join(' | ')} |`;
  return [
    line(cells.map(({ title }) => title)),
    line(cells.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rows.map((row) => line(cells.map(({ text }) => text(row)))),
  ];
}
