import type { Finding, Group } from '../hosts/fold.js';
import { formatNodes } from '../hosts/node-range.js';
import type { Shortfall, Summary } from '../hosts/summary.js';
import { printable } from './text.js';

const WIDTH = 100;

/** How many kinds of hosts people get to see in full; `--json` has all. */
const SHOWN_GROUPS = 40;

/** Many hosts for people: who runs how, what differs, what falls short and the way out. */
export function hostsText(summary: Summary): string {
  return [
    ...wrap(headline(summary), ''),
    '',
    ...groupTable(summary),
    ...differenceLines(summary),
    ...shortfallLines(summary),
    '',
  ].join('\n');
}

function headline({ bundles, nodes, groups, missing, reports }: Summary): string {
  const names = [...new Set(bundles.values())].map(printable).join(', ');
  const on = (verdict: Group['verdict']) =>
    groups.filter((group) => group.verdict === verdict).flatMap((group) => group.nodes).length;
  const [lesser, none] = [on('lesser'), on('none')];
  const parts = [
    `${names}: ${count(nodes.length, 'node')} reported`,
    ...(reports === nodes.length ? [] : [`in ${reports} reports`]),
    ...(bundles.size === 1 ? [] : [`about ${bundles.size} different bundles`]),
  ];
  const verdicts = [
    `${on('best')} run in the best tier`,
    ...(lesser === 0 ? [] : [`${lesser} in a lesser one`]),
    ...(none === 0 ? [] : [`${none} ${none === 1 ? 'does' : 'do'} not run`]),
    ...(missing.count === 0 ? [] : [`${missing.count} did not report`]),
  ];
  return `${parts.join(' ')}; ${verdicts.join(', ')}`;
}

function groupTable({ groups, missing, unexpected }: Summary): string[] {
  const rows = groups.slice(0, SHOWN_GROUPS).map((group) => ({
    group: String(group.number),
    nodes: String(group.nodes.length),
    verdict: verdictText(group),
    names: shown(group.nodes),
  }));
  const rest = groups.slice(SHOWN_GROUPS);
  if (rest.length > 0) {
    rows.push({
      group: '...',
      nodes: String(rest.flatMap(({ nodes }) => nodes).length),
      verdict: 'see --json',
      names: `${count(rest.length, 'more group')}`,
    });
  }
  if (missing.count > 0) {
    const named = missing.nodes?.length ?? 0;
    const names = named > 0 ? shown(missing.nodes ?? []) : 'not known; --nodes LIST names them';
    const others = named > 0 && named < missing.count ? `, ${missing.count - named} more` : '';
    rows.push({
      group: '-',
      nodes: String(missing.count),
      verdict: 'no report',
      names: names + others,
    });
  }
  const table = [{ group: 'group', nodes: 'nodes', verdict: 'verdict', names: 'names' }, ...rows];
  const width = (column: 'group' | 'nodes' | 'verdict') =>
    Math.max(...table.map((row) => row[column].length));
  const lines = table.flatMap(({ group, nodes, verdict, names }) => {
    const columns = [
      group.padEnd(width('group')),
      nodes.padStart(width('nodes')),
      verdict.padEnd(width('verdict')),
    ];
    return wrap(names, `${columns.join('  ')}  `);
  });
  if (unexpected.length === 0) return lines;
  return [...lines, '', ...wrap(shown(unexpected), 'not in the list of nodes: ')];
}

function verdictText({ verdict, tier }: Group): string {
  if (tier === null) return 'does not run';
  return `tier ${printable(tier)}${verdict === 'best' ? ', the best' : ''}`;
}

function differenceLines({ differences, groups }: Summary): string[] {
  if (differences.length === 0) return [];
  const lines = differences.flatMap(({ name, variants }) => {
    const rows = variants.slice(0, SHOWN_GROUPS).map(({ groups: numbers, findings }) => ({
      numbers: formatNodes(numbers.map(String)).replace(/[[\]]/g, ''),
      text: findings.length === 0 ? 'not reported' : findings.map(findingText).join(' / '),
    }));
    const column = Math.min(24, Math.max(...rows.map(({ numbers }) => numbers.length)));
    const rest = variants.length - rows.length;
    return [
      `  ${printable(name)}`,
      ...rows.flatMap(({ numbers, text }) => wrap(text, `    ${numbers.padEnd(column)}  `)),
      ...(rest === 0 ? [] : [`    and ${rest} more; --json lists them`]),
    ];
  });
  return ['', `What differs between the ${groups.length} groups`, ...lines];
}

function findingText({ result, value }: Finding): string {
  return [result, value]
    .flatMap((word) => word || [])
    .map(printable)
    .join(' ');
}

/** A remedy that several things have in common stands there once, with the first of them. */
function shortfallLines({ shortfalls }: Summary): string[] {
  if (shortfalls.length === 0) return [];
  const told = new Set<string>();
  const lines = shortfalls.flatMap(({ nodes, finding }) => {
    const reason = `${finding.name}: ${finding.detail}`;
    const commands = finding.remedy.filter((command) => !told.has(command));
    for (const command of commands) told.add(command);
    return [
      ...wrap(shown(nodes), '  '),
      ...wrap(printable(reason), '    '),
      // Not wrapped: these are there to be copied.
      ...commands.map((command) => `      ${printable(command)}`),
    ];
  });
  return ['', 'What falls short, and the way out', ...lines];
}

/** One machine-readable object about them. */
export function hostsJson(summary: Summary, rundle: string): string {
  const { groups, differences, shortfalls, missing, bundles } = summary;
  const finding = ({ result, value }: Finding) => ({
    result: result ?? null,
    value: value ?? null,
  });
  const object = {
    schema: 1,
    rundle,
    verdict: summary.verdict,
    exitStatus: summary.exitStatus,
    bundles: [...bundles].map(([id, name]) => ({ id, name })),
    reports: summary.reports,
    nodes: {
      reported: summary.nodes.length,
      expected: summary.expected ?? null,
      missing: missing.count,
      missingNames: missing.nodes ?? null,
      unexpectedNames: summary.unexpected,
    },
    groups: groups.map(({ number, verdict, tier, nodes }) => ({
      number,
      verdict,
      tier,
      nodes,
      range: formatNodes(nodes),
    })),
    differences: differences.map(({ property, name, variants }) => ({
      property,
      name,
      variants: variants.map(({ groups: numbers, findings }) => ({
        groups: numbers,
        found: findings.map(finding),
      })),
    })),
    shortfalls: shortfalls.map(
      ({ nodes, finding: { property, name, detail, remedy } }: Shortfall) => ({
        property,
        name,
        nodes,
        range: formatNodes(nodes),
        reason: detail,
        remedy,
      }),
    ),
  };
  return `${JSON.stringify(object)}\n`;
}

const shown = (names: readonly string[]) => printable(formatNodes(names));

const count = (number: number, what: string) => `${number} ${what}${number === 1 ? '' : 's'}`;

/** Lines of at most WIDTH columns, the first behind `lead`, the others indented as deep; divided at blanks and commas where possible. */
function wrap(text: string, lead: string): string[] {
  const width = Math.max(20, WIDTH - lead.length);
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const head = rest.slice(0, width + 1);
    const blank = head.lastIndexOf(' ');
    const comma = head.slice(0, width).lastIndexOf(',');
    const end = Math.max(blank, comma + 1) > 0 ? Math.max(blank, comma + 1) : width;
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  lines.push(rest);
  return lines.map((line, i) => `${i === 0 ? lead : ' '.repeat(lead.length)}${line}`.trimEnd());
}
