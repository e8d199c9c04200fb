import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRundleError } from '#rundle/errors.js';
import { compareNodes, expandNodes, formatNodes, MAX_NODES } from '#rundle/hosts/node-range.js';

const expand = (text: string) => expandNodes(text, '--nodes');
const name = fc.oneof(
  fc.stringMatching(/^[a-z]{1,3}[0-9]{0,4}(-[a-z]{1,2}[0-9]{1,3})?(\.[a-z]{1,3}[0-9]?)?$/),
  fc.stringMatching(/^[a-z0-9.-]{1,12}$/),
  fc.nat({ max: 1100 }).map((number) => `n${number}`),
  fc.nat({ max: 120 }).map((number) => `n${String(number).padStart(3, '0')}`),
);

describe('lists of nodes', () => {
  it('are written as Slurm writes them', () => {
    const written: [string[], string][] = [
      [['n001'], 'n001'],
      [['n002', 'n001', 'n003', 'n020', 'n001'], 'n[001-003,020]'],
      [['n8', 'n9', 'n10', 'n11'], 'n[8-11]'],
      [['n08', 'n09', 'n10', 'n100'], 'n[08-10,100]'],
      [['n1', 'n01', 'n2', 'n02'], 'n[1-2,01-02]'],
      [['n099', 'n100', 'n999', 'n1000'], 'n[099-100,999-1000]'],
      [['login', 'n1', 'n2', 'gpu7'], 'gpu7,login,n[1-2]'],
      [['n1.cluster', 'n2.cluster', 'n3.other'], 'n[1-2].cluster,n3.other'],
      [['n01-ib0', 'n02-ib0', 'n03-ib0'], 'n[01-03]-ib0'],
      [['r1n1', 'r1n2', 'r2n1', 'r2n2'], 'r1n[1-2],r2n[1-2]'],
      [[`n${'9'.repeat(20)}`, `n${'9'.repeat(19)}8`], `n${'9'.repeat(20)},n${'9'.repeat(19)}8`],
      [[], ''],
    ];
    for (const [names, text] of written) {
      const sorted = (list: string[]) => [...new Set(list)].sort();
      expect(
        formatNodes(names)
          .split(/,(?![^[]*\])/)
          .sort(),
      ).toEqual(text.split(/,(?![^[]*\])/).sort());
      expect(sorted(expand(formatNodes(names)))).toEqual(sorted(names));
    }
  });

  it('come back from the notation as they were', () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 60 }), (names) => {
        const text = formatNodes(names);
        expect(expand(text).sort()).toEqual([...new Set(names)].sort());
        expect(formatNodes([...names].reverse())).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('are read as Slurm, PBS and LSF hand them out', () => {
    expect(expand('n[001-003,020],login1')).toEqual(['n001', 'n002', 'n003', 'n020', 'login1']);
    expect(expand('rack[1-2]n[09-10].hpc')).toEqual([
      'rack1n09.hpc',
      'rack1n10.hpc',
      'rack2n09.hpc',
      'rack2n10.hpc',
    ]);
    expect(expand(' n1 n2\nn1\n')).toEqual(['n1', 'n2']);
  });

  it('are refused when they cannot be read or stand for too many', () => {
    const wrong = [
      'n[1-2',
      'n1]',
      'n[]',
      'n[a-b]',
      'n[2-1]',
      'n[1--2]',
      'n[1,]',
      'n[[1]]',
      'n[ 1]',
    ];
    for (const text of [...wrong, `n[1-${MAX_NODES + 1}]`, 'a[0-9999]b[0-9999]c[0-9999]']) {
      let error: unknown;
      try {
        expand(text);
      } catch (thrown) {
        error = thrown;
      }
      expect(isRundleError(error, 'E_USAGE'), text).toBe(true);
    }
  });

  it('never fail in another way', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[n1-3[\],\s-]{0,20}$/), (text) => {
        try {
          expect(Array.isArray(expand(text))).toBe(true);
        } catch (error) {
          expect(isRundleError(error, 'E_USAGE')).toBe(true);
        }
      }),
    );
  });

  it('are sorted as people count', () => {
    expect(['n10', 'n9', 'n2', 'n', 'm11', 'n2b'].sort(compareNodes)).toEqual([
      'm11',
      'n',
      'n2',
      'n2b',
      'n9',
      'n10',
    ]);
    fc.assert(
      fc.property(name, name, name, (a, b, c) => {
        expect(Math.sign(compareNodes(a, b)) + Math.sign(compareNodes(b, a))).toBe(0);
        if (compareNodes(a, b) <= 0 && compareNodes(b, c) <= 0) {
          expect(compareNodes(a, c)).toBeLessThanOrEqual(0);
        }
      }),
    );
  });
});
