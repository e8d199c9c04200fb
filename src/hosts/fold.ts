import { RundleError } from '../errors.js';
import { compareNodes } from './node-range.js';
import type { Report, Verdict } from './report.js';

/** What a report says of one property of its host, such as a check: what hosts are compared by. */
export interface Finding {
  /** `check:fuse`, `tier:mount`, `requirement:gpu`, `host:cpus`, ... */
  property: string;
  /** For people and tools: `fuse`, `tier mount`, `gpu`, `cpus`. */
  name: string;
  /** Undefined for a plain fact. */
  result: 'pass' | 'info' | 'warn' | 'fail' | undefined;
  /** Undefined when there is nothing to say besides the result. */
  value: string | undefined;
  /** Of the reports with this finding the first sentence in sorting order, and the commands that go with it. */
  detail: string;
  remedy: readonly string[];
}

/** Hosts between which the reports see no difference. */
export interface Group {
  /** Counted from 1. */
  number: number;
  verdict: Verdict;
  tier: string | null;
  /** In counting order. */
  nodes: readonly string[];
  /** By property. Several when the processes of one host have reported different things. */
  findings: ReadonlyMap<string, readonly Finding[]>;
}

/** What is the same in all reports of a group, before the group is made. */
interface Situation {
  verdict: Verdict;
  tier: string | null;
  /** One list for each property. */
  findings: readonly (readonly Finding[])[];
  key: string;
}

interface Node {
  situation: Situation;
  /** Bytes, the least that a process of it has reported. */
  memory: number;
}

/** Characters of text that are kept of all reports together. */
const MAX_TEXT = 256 * 1024 * 1024;

/** Machines of one kind differ in what the firmware keeps, by less than this part. */
const SAME_MEMORY = 0.02;

const VERDICTS: readonly Verdict[] = ['best', 'lesser', 'none'];
const RESULTS = [undefined, 'pass', 'info', 'warn', 'fail'];

/** Takes reports in, in any order, and makes groups of their hosts. Memory grows with what differs, not with the number of reports. */
export class Folding {
  readonly #findings = new Map<string, readonly [Finding]>();
  readonly #numbers = new Map<Finding, number>();
  readonly #situations = new Map<string, Situation>();
  readonly #nodes = new Map<string, Node>();
  readonly #positions = new Map<string, number>();
  readonly #bundles = new Map<string, string>();
  readonly #maxText: number;
  #text = 0;
  #reports = 0;

  constructor(maxText: number = MAX_TEXT) {
    this.#maxText = maxText;
  }

  /** Reports taken in. */
  get reports(): number {
    return this.#reports;
  }

  /** Names by id of the bundles that the reports are about, in the order of the ids. */
  get bundles(): ReadonlyMap<string, string> {
    return new Map([...this.#bundles].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Every node that has reported, in counting order. */
  get nodes(): string[] {
    return [...this.#nodes.keys()].sort(compareNodes);
  }

  /** Takes a report in. Throws E_FORMAT when all of them together have too many different things to say. */
  add(report: Report): void {
    this.#reports++;
    const { id, name: bundle } = report.bundle;
    const known = this.#bundles.get(id);
    if (known === undefined || bundle < known) this.#bundles.set(id, bundle);
    const situation = this.#situation(
      report.verdict,
      report.tier,
      describe(report).map((finding, position) => this.#intern(finding, position)),
    );
    const name = report.host.job?.node || report.host.name;
    const { memory } = report.host;
    const node = this.#nodes.get(name);
    if (node === undefined) {
      this.#count(name);
      this.#nodes.set(name, { situation, memory });
      return;
    }
    node.memory = Math.min(node.memory, memory);
    if (node.situation !== situation) node.situation = this.#merge(node.situation, situation);
  }

  /** The groups: first those that run best, of equals the larger one. */
  groups(): Group[] {
    const memories = memoryClasses([...this.#nodes.values()].map(({ memory }) => memory));
    const groups = new Map<string, { situation: Situation; memory: number; nodes: string[] }>();
    for (const name of this.nodes) {
      const node = this.#nodes.get(name);
      if (node === undefined) continue;
      const memory = memories.get(node.memory) ?? 0;
      const key = `${node.situation.key} ${memory}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { ...node, memory, nodes: [name] });
      else group.nodes.push(name);
    }
    return [...groups.values()]
      .sort(
        (a, b) =>
          VERDICTS.indexOf(a.situation.verdict) - VERDICTS.indexOf(b.situation.verdict) ||
          b.nodes.length - a.nodes.length ||
          compareNodes(a.nodes[0] ?? '', b.nodes[0] ?? ''),
      )
      .map(({ situation: { verdict, tier, findings }, memory, nodes }, i) => ({
        number: i + 1,
        verdict,
        tier,
        nodes,
        findings: byProperty([...findings, [memoryFinding(memory)]]),
      }));
  }

  /** The properties that any report has, in the order of the reports. */
  properties(): string[] {
    const order = (property: string) => this.#positions.get(property) ?? 0;
    const known = [...this.#positions.keys()].sort(
      (a, b) => order(a) - order(b) || (a < b ? -1 : 1),
    );
    return ['host:memory', ...known];
  }

  /** The one finding that stands for all that are equal, in a list of its own. */
  #intern(finding: Finding, position: number): readonly [Finding] {
    const before = this.#positions.get(finding.property);
    if (before === undefined || position < before) this.#positions.set(finding.property, position);
    const key = `${finding.property}\0${finding.result}\0${comparable(finding)}`;
    const known = this.#findings.get(key);
    if (known === undefined) {
      this.#count(key, finding.detail, ...finding.remedy);
      this.#numbers.set(finding, this.#findings.size);
      this.#findings.set(key, [finding]);
      return [finding];
    }
    // Which report came first must not show.
    if (!isSame(finding, known[0]) && words(finding) < words(known[0])) {
      const { value, detail, remedy } = finding;
      Object.assign(known[0], { value, detail, remedy });
    }
    return known;
  }

  #situation(
    verdict: Verdict,
    tier: string | null,
    findings: readonly (readonly Finding[])[],
  ): Situation {
    const numbers = findings.map((list) => list.map((finding) => this.#numbers.get(finding) ?? -1));
    const key = `${verdict} ${tier} ${numbers.map((list) => list.join('+')).join(' ')}`;
    const known = this.#situations.get(key);
    if (known !== undefined) return known;
    this.#count(key, ...findings.map(() => ''));
    const situation = { verdict, tier, findings, key };
    this.#situations.set(key, situation);
    return situation;
  }

  /** Two processes of one host: it is as bad as the worse one. */
  #merge(a: Situation, b: Situation): Situation {
    const worse = VERDICTS.indexOf(a.verdict) >= VERDICTS.indexOf(b.verdict) ? a : b;
    const tier = a.verdict === b.verdict ? worseTier(a.tier, b.tier) : worse.tier;
    const lists = new Map<string, Set<Finding>>();
    for (const finding of [...a.findings, ...b.findings].flat()) {
      const list = lists.get(finding.property);
      if (list === undefined) lists.set(finding.property, new Set([finding]));
      else list.add(finding);
    }
    const number = (finding: Finding) => this.#numbers.get(finding) ?? -1;
    const findings = [...lists]
      .sort(([x], [y]) => (x < y ? -1 : 1))
      .map(([, list]) => [...list].sort((x, y) => number(x) - number(y)));
    return this.#situation(worse.verdict, tier, findings);
  }

  #count(...texts: readonly string[]): void {
    // What surrounds a text in memory counts too: many empty ones are not for nothing.
    for (const text of texts) this.#text += text.length + 32;
    if (this.#text <= this.#maxText) return;
    throw new RundleError(
      'E_FORMAT',
      `folding reports: what differs between them has more than ${this.#maxText} characters`,
      { hint: 'fold fewer reports at a time' },
    );
  }
}

function byProperty(all: readonly (readonly Finding[])[]): Map<string, readonly Finding[]> {
  const sorted = (list: readonly Finding[]) =>
    list.length === 1 ? list : [...list].sort((a, b) => (words(a) < words(b) ? -1 : 1));
  return new Map(all.map((list) => [list[0]?.property ?? '', sorted(list)]));
}

/** The findings of a report, in the order in which differences are listed. */
function describe({ bundle, rundle, host, requirements, tiers, checks }: Report): Finding[] {
  const fact = (name: string, value: string): Finding => ({
    property: `host:${name}`,
    name,
    result: undefined,
    value,
    detail: '',
    remedy: [],
  });
  return [
    fact('bundle', `${bundle.name} ${bundle.id.slice(0, 12)}`),
    fact('launcher', rundle),
    fact('distribution', host.distribution),
    fact('processor', host.cpu),
    fact('cpus', String(host.cpus)),
    ...unique(
      requirements.map(
        ({ text, met, found, remedy }): Finding => ({
          property: `requirement:${text}`,
          name: text,
          result: met ? 'pass' : 'fail',
          value: undefined,
          detail: met || !found ? '' : `found ${found}`,
          remedy,
        }),
      ),
    ),
    ...tiers.map(
      ({ name, works, reason, remedy }): Finding => ({
        property: `tier:${name}`,
        name: `tier ${name}`,
        result: works ? 'pass' : 'fail',
        value: works ? undefined : (reason ?? undefined),
        detail: reason ?? '',
        remedy,
      }),
    ),
    ...checks.map(
      ({ id, result, value, detail, remedy }): Finding => ({
        property: `check:${id}`,
        name: id,
        result,
        value: value ?? undefined,
        detail,
        remedy,
      }),
    ),
  ];
}

function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [finding.property, finding])).values()];
}

/** Reasons are sentences: the numbers in them, of processes or of free bytes, make no difference between hosts. */
function comparable({ property, value }: Finding): string | undefined {
  return property.startsWith('tier:') ? value?.replace(/\d+/g, '0') : value;
}

/** The usual case, and much cheaper than to compare words. */
function isSame(a: Finding, b: Finding): boolean {
  const isEqual = a.detail === b.detail && a.value === b.value;
  return (
    isEqual && a.remedy.length === b.remedy.length && a.remedy.every((x, i) => x === b.remedy[i])
  );
}

function words({ value, detail, remedy }: Finding): string {
  return JSON.stringify([value ?? '', detail, remedy]);
}

const TIERS: readonly (string | null)[] = ['mount', 'extract', 'trace', null];

function worseTier(a: string | null, b: string | null): string | null {
  const rank = (tier: string | null) => {
    const known = TIERS.indexOf(tier);
    return known < 0 ? TIERS.length : known;
  };
  if (rank(a) !== rank(b)) return rank(a) > rank(b) ? a : b;
  return (a ?? '') > (b ?? '') ? a : b;
}

/** For each amount of memory the least one of those that are the same machine's, going up step by step. */
function memoryClasses(all: readonly number[]): Map<number, number> {
  const classes = new Map<number, number>();
  let [first, last] = [-1, -1];
  for (const memory of [...new Set(all)].sort((a, b) => a - b)) {
    if (first < 0 || memory > last * (1 + SAME_MEMORY)) first = memory;
    classes.set(memory, first);
    last = memory;
  }
  return classes;
}

function memoryFinding(bytes: number): Finding {
  const value = `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
  return {
    property: 'host:memory',
    name: 'memory',
    result: undefined,
    value,
    detail: '',
    remedy: [],
  };
}

/** The worst of several results. */
export function worstResult(findings: readonly Finding[]): Finding['result'] {
  const worst = Math.max(...findings.map(({ result }) => RESULTS.indexOf(result)));
  return RESULTS[worst] as Finding['result'];
}
