import { type Finding, type Folding, type Group, worstResult } from './fold.js';
import { compareNodes } from './node-range.js';
import { VERDICT_STATUS, type Verdict } from './report.js';

/** Which nodes were to report. */
export interface Expectation {
  /** How many, if that was said. */
  count: number | undefined;
  /** Which ones, if that was said. */
  nodes: readonly string[] | undefined;
}

/** A property in which groups differ. */
export interface Difference {
  property: string;
  name: string;
  /** What there is, and the groups that have it, by number. */
  variants: readonly { groups: readonly number[]; findings: readonly Finding[] }[];
}

/** Why nodes do not run in the best tier. */
export interface Shortfall {
  nodes: readonly string[];
  finding: Finding;
}

/** What many reports say together. */
export interface Summary {
  verdict: Verdict;
  exitStatus: number;
  reports: number;
  /** Names by id of the bundles that were asked. */
  bundles: ReadonlyMap<string, string>;
  /** Nodes that have reported. */
  nodes: readonly string[];
  expected: number | undefined;
  missing: {
    count: number;
    /** As far as they are known; undefined when it was not said which ones there are. */
    nodes: readonly string[] | undefined;
  };
  /** Nodes that have reported although the list does not have them. */
  unexpected: readonly string[];
  groups: readonly Group[];
  differences: readonly Difference[];
  shortfalls: readonly Shortfall[];
}

/** What the reports say together. A node that did not report counts as one that does not run. */
export function summarize(folding: Folding, expectation: Expectation): Summary {
  const groups = folding.groups();
  const { nodes } = folding;
  const { missing, unexpected } = compareWith(nodes, expectation);
  const has = (verdict: Verdict) => groups.some((group) => group.verdict === verdict);
  const verdict = missing.count > 0 || has('none') ? 'none' : has('lesser') ? 'lesser' : 'best';
  return {
    verdict,
    exitStatus: VERDICT_STATUS[verdict],
    reports: folding.reports,
    bundles: folding.bundles,
    nodes,
    expected: expectation.count ?? expectation.nodes?.length,
    missing,
    unexpected,
    groups,
    differences: differences(groups, folding.properties()),
    shortfalls: shortfalls(groups, folding.properties()),
  };
}

function compareWith(
  nodes: readonly string[],
  { count, nodes: listed }: Expectation,
): Pick<Summary, 'missing' | 'unexpected'> {
  if (listed === undefined) {
    return {
      missing: { count: Math.max(0, (count ?? 0) - nodes.length), nodes: undefined },
      unexpected: [],
    };
  }
  const reported = new Set(nodes.flatMap(aliases));
  const expected = new Set(listed.flatMap(aliases));
  const isIn = (names: ReadonlySet<string>) => (name: string) =>
    aliases(name).some((alias) => names.has(alias));
  const missing = listed.filter((name) => !isIn(reported)(name)).sort(compareNodes);
  return {
    missing: {
      count: Math.max(missing.length, (count ?? 0) - nodes.length),
      nodes: missing,
    },
    unexpected: nodes.filter((name) => !isIn(expected)(name)),
  };
}

/** A list may have short names where hosts know their domain, or the other way round. */
function aliases(name: string): string[] {
  const [short = ''] = name.split('.');
  return short === '' || short === name ? [name] : [name, short];
}

function differences(groups: readonly Group[], properties: readonly string[]): Difference[] {
  return properties.flatMap((property) => {
    const variants = new Map<string, { groups: number[]; findings: readonly Finding[] }>();
    let name = property;
    for (const { number, findings: all } of groups) {
      const findings = all.get(property) ?? [];
      const key = findings.map(({ result, value }) => `${result}\0${value}`).join('\0\0');
      const variant = variants.get(key);
      if (variant === undefined) variants.set(key, { groups: [number], findings });
      else variant.groups.push(number);
      name = findings[0]?.name ?? name;
    }
    return variants.size < 2 ? [] : [{ property, name, variants: [...variants.values()] }];
  });
}

/** Requirements, then tiers, then checks, those of nodes that do not run before those of others. */
function shortfalls(groups: readonly Group[], properties: readonly string[]): Shortfall[] {
  const found = new Map<Finding, { nodes: string[]; verdict: Verdict }>();
  for (const group of [...groups].reverse()) {
    if (group.verdict === 'best') continue;
    for (const property of properties) {
      const findings = group.findings.get(property) ?? [];
      if (worstResult(findings) !== 'fail' || isBelow(property, group.tier, properties)) continue;
      for (const finding of findings.filter(({ result }) => result === 'fail')) {
        const before = found.get(finding);
        if (before === undefined) {
          found.set(finding, { nodes: [...group.nodes], verdict: group.verdict });
        } else before.nodes = before.nodes.concat(group.nodes);
      }
    }
  }
  const rank = (verdict: Verdict) => (verdict === 'none' ? 0 : 1);
  return [...found]
    .map(([finding, { nodes, verdict }]) => ({ finding, verdict, nodes: nodes.sort(compareNodes) }))
    .sort(
      (a, b) =>
        rank(a.verdict) - rank(b.verdict) ||
        properties.indexOf(a.finding.property) - properties.indexOf(b.finding.property) ||
        compareNodes(a.nodes[0] ?? '', b.nodes[0] ?? ''),
    )
    .map(({ finding, nodes }) => ({ finding, nodes }));
}

/** A tier below the one that is used: that it does not work either costs nothing. */
function isBelow(property: string, tier: string | null, properties: readonly string[]): boolean {
  if (tier === null || !property.startsWith('tier:')) return false;
  return properties.indexOf(property) > properties.indexOf(`tier:${tier}`);
}
