import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRundleError } from '#rundle/errors.js';
import { Folding } from '#rundle/hosts/fold.js';
import type { Report } from '#rundle/hosts/report.js';
import { type Expectation, type Summary, summarize } from '#rundle/hosts/summary.js';
import { check, host, lesser, report, unable } from './support/report.js';

const nothing: Expectation = { count: undefined, nodes: undefined };

function fold(reports: readonly Report[], expectation = nothing): Summary {
  const folding = new Folding();
  for (const one of reports) folding.add(one);
  return summarize(folding, expectation);
}

const many = [report('n2'), lesser('n10'), report('n1'), unable('n7'), lesser('n9'), report('n3')];

/** What a summary says, without the objects that stand for findings. */
const told = (summary: Summary) => ({
  ...summary,
  bundles: [...summary.bundles],
  groups: summary.groups.map((group) => ({ ...group, findings: [...group.findings] })),
});

describe('folding reports', () => {
  it('makes groups of equal nodes, the best ones first', () => {
    const { groups, verdict, exitStatus } = fold(many);
    expect(
      groups.map(({ number, verdict, tier, nodes }) => [number, verdict, tier, nodes]),
    ).toEqual([
      [1, 'best', 'mount', ['n1', 'n2', 'n3']],
      [2, 'lesser', 'extract', ['n9', 'n10']],
      [3, 'none', null, ['n7']],
    ]);
    expect([verdict, exitStatus]).toEqual(['none', 1]);
    expect(fold([report('a')])).toMatchObject({ exitStatus: 0, differences: [], shortfalls: [] });
    expect(fold([report('a'), lesser('b')]).exitStatus).toBe(2);
  });

  it('lists what differs and nothing else', () => {
    const { differences } = fold(many);
    expect(
      differences.map(({ name, variants }) => [
        name,
        variants.map(({ groups, findings }) => [
          groups,
          findings.map(({ result, value }) => [result, value]),
        ]),
      ]),
    ).toEqual([
      [
        'memory>=600G',
        [
          [[1, 2], []],
          [[3], [['fail', undefined]]],
        ],
      ],
      [
        'tier mount',
        [
          [[1, 3], [['pass', undefined]]],
          [[2], [['fail', 'opening /dev/fuse: No such file or directory']]],
        ],
      ],
      [
        'fuse',
        [
          [[1, 3], [['pass', 'yes']]],
          [[2], [['fail', 'absent']]],
        ],
      ],
    ]);
  });

  it('says which nodes fall short, why, and what helps', () => {
    const { shortfalls } = fold(many);
    expect(shortfalls.map(({ nodes, finding }) => [nodes, finding.name, finding.detail])).toEqual([
      [['n7'], 'memory>=600G', 'found 503 GiB'],
      [['n9', 'n10'], 'tier mount', 'opening /dev/fuse: No such file or directory'],
      [['n9', 'n10'], 'fuse', 'opening /dev/fuse: No such file or directory'],
    ]);
    expect(shortfalls[1]?.finding.remedy).toEqual(['sudo modprobe fuse']);
  });

  it('does not complain of tiers below the one that is used', () => {
    const one = lesser('a');
    one.tiers[2] = { name: 'trace', works: false, reason: 'ptrace', remedy: [] };
    expect(fold([one]).shortfalls.map(({ finding }) => finding.name)).toEqual([
      'tier mount',
      'fuse',
    ]);
  });

  it('says the same whatever order the reports come in', () => {
    const varied = many.flatMap((one, i) => [
      one,
      { ...one, checks: [...one.checks, check('new', { value: String(i % 2), detail: `d${i}` })] },
      { ...one, host: { ...one.host, memory: one.host.memory - i } },
    ]);
    const expected = told(fold(varied));
    fc.assert(
      fc.property(fc.shuffledSubarray(varied, { minLength: varied.length }), (shuffled) => {
        expect(told(fold(shuffled))).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('counts the processes of one host as one node, which is as good as the worst of them', () => {
    const job = { manager: 'slurm', id: '1', node: 'n1', rank: '0' };
    const ranks = ['0', '1', '2'].map((rank) =>
      report('front', { host: host('front', { job: { ...job, rank } }) }),
    );
    expect(fold(ranks)).toMatchObject({
      reports: 3,
      nodes: ['n1'],
      exitStatus: 0,
      differences: [],
    });
    const worse = { ...lesser('n1'), host: ranks[0]?.host ?? host('n1') };
    const { groups, reports, shortfalls } = fold([ranks[0] ?? worse, worse, worse, report('n2')]);
    expect(reports).toBe(4);
    expect(groups.map(({ nodes, tier }) => [nodes, tier])).toEqual([
      [['n2'], 'mount'],
      [['n1'], 'extract'],
    ]);
    expect(groups[1]?.findings.get('check:fuse')?.map(({ result }) => result)).toEqual([
      'fail',
      'pass',
    ]);
    expect(shortfalls.map(({ finding }) => finding.name)).toEqual(['tier mount', 'fuse']);
  });

  it('takes amounts of memory for the same that differ little', () => {
    const reports = [512, 511.9, 511.5, 384, 383.9].map((size, i) =>
      report(`n${i}`, { host: host(`n${i}`, { memory: Math.round(size * 1024 ** 3) }) }),
    );
    const { groups, differences } = fold(reports);
    expect(groups.map(({ nodes }) => nodes)).toEqual([
      ['n0', 'n1', 'n2'],
      ['n3', 'n4'],
    ]);
    expect(differences.map(({ name }) => name)).toEqual(['memory']);
  });

  it('takes reasons for the same that differ in numbers, and values not', () => {
    const failing = (name: string, reason: string) => ({
      ...lesser(name),
      tiers: [{ name: 'mount', works: false, reason, remedy: [] }],
    });
    expect(fold([failing('a', 'process 17'), failing('b', 'process 4')]).groups).toHaveLength(1);
    expect(fold([failing('a', 'process 17'), failing('b', 'no fuse')]).groups).toHaveLength(2);
    const shm = (name: string, value: string) =>
      report(name, { checks: [check('shm', { value })] });
    expect(fold([shm('a', '64M'), shm('b', '65M')]).groups).toHaveLength(2);
  });

  it('keeps different bundles apart', () => {
    const other = { name: 'numpy', id: 'cd'.repeat(32), arch: [] };
    const summary = fold([report('a'), report('b', { bundle: other })]);
    expect([...summary.bundles.keys()]).toEqual(['ab'.repeat(32), 'cd'.repeat(32)]);
    expect(summary.groups).toHaveLength(2);
    expect(summary.differences.map(({ name }) => name)).toEqual(['bundle']);
  });

  it('knows who did not report', () => {
    const nodes = ['n1', 'n2', 'n3', 'n4'];
    const reports = [report('n1.hpc'), report('n3'), report('login')];
    expect(fold(reports, { count: undefined, nodes })).toMatchObject({
      exitStatus: 1,
      expected: 4,
      missing: { count: 2, nodes: ['n2', 'n4'] },
      unexpected: ['login'],
    });
    expect(fold(reports, { count: 5, nodes: undefined })).toMatchObject({
      exitStatus: 1,
      missing: { count: 2, nodes: undefined },
    });
    expect(fold(reports, { count: 3, nodes: undefined }).exitStatus).toBe(0);
    expect(fold(reports, { count: 9, nodes: ['n1', 'n3', 'login'] })).toMatchObject({
      exitStatus: 1,
      missing: { count: 6, nodes: [] },
    });
  });

  it('has a limit for what differs', () => {
    const folding = new Folding(100_000);
    let error: unknown;
    try {
      for (let i = 0; i < 10_000; i++) {
        folding.add(report('a', { checks: [check('a', { value: `${i}`.repeat(100) })] }));
      }
    } catch (thrown) {
      error = thrown;
    }
    expect(isRundleError(error, 'E_FORMAT')).toBe(true);
  });
});
