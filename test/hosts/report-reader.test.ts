import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRundleError } from '#rundle/errors.js';
import type { Report } from '#rundle/hosts/report.js';
import { READ_LIMITS, type ReadLimits, readReports } from '#rundle/hosts/report-reader.js';
import { check, report } from './support/report.js';

/** The reports in `text`, read in chunks of `size` bytes. */
async function read(text: string, size = 65_536, limits?: ReadLimits): Promise<Report[]> {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const found: Report[] = [];
  await readReports(chunks(), 'input', (one) => void found.push(one), limits);
  return found;
}

async function failure(text: string, limits?: ReadLimits): Promise<string> {
  const error = await read(text, 65_536, limits).catch((thrown: unknown) => thrown);
  expect(isRundleError(error)).toBe(true);
  return (error as Error).message;
}

const names = (reports: readonly Report[]) => reports.map((one) => one.host.name).sort();
const hard = check('path', {
  detail: 'a {"schema":1} in a text\\" 3: [1,0]<stdout> ü\u2028\ud800',
});
const long = (name: string) =>
  report(name, { checks: [hard, ...Array.from({ length: 60 }, (_, i) => check(`check-${i}`))] });
const line = (one: Report) => `${JSON.stringify(one)}\n`;

/** What `srun -l` makes of it: messages of 1024 bytes, each with the label and a line end. */
function labelled(text: string, label: string, size = 1024): string[] {
  return text.split('\n').flatMap((one) => {
    const pieces: string[] = [];
    for (let at = 0; at < one.length; at += size) pieces.push(one.slice(at, at + size));
    return pieces.map((piece) => `${label}${piece}\n`);
  });
}

/** Several streams mixed, each one's pieces in their order. */
function mixed(streams: readonly (readonly string[])[], choices: readonly number[]): string {
  const rest = streams.map((pieces) => [...pieces]);
  let text = '';
  for (let i = 0; ; i++) {
    const left = rest.filter((pieces) => pieces.length > 0);
    if (left.length === 0) return text;
    text += left[(choices[i % Math.max(1, choices.length)] ?? 0) % left.length]?.shift() ?? '';
  }
}

describe('reading reports', () => {
  it('finds them one a line, concatenated, pretty-printed, in an array, with foreign lines between', async () => {
    const [a, b, c] = [long('a'), long('b'), long('c')];
    const forms = [
      line(a) + line(b) + line(c),
      JSON.stringify(a) + JSON.stringify(b) + JSON.stringify(c),
      [a, b, c].map((one) => JSON.stringify(one, null, 2)).join('\n'),
      [a, b, c].map((one) => JSON.stringify(one, null, '\t')).join(''),
      JSON.stringify([a, b, c], null, 2),
      `srun: warning: {"a": "b\n{ x }\n\n{"level":"info"}\n${line(a)}slurmstepd: error\r\n${line(b)}{"x\n${line(c)}{}}`,
      `Loading ...${line(a)}done${JSON.stringify(b)} ${JSON.stringify(c)}`,
      [a, b, c].map((one) => JSON.stringify(one).replaceAll(',"', ',\r\n"')).join('\r\n'),
      `\uFEFF${line(a)}\n\n\n${line(b)}${line(c)}`,
    ];
    for (const text of forms) {
      for (const size of [7, 1000, 65_536])
        expect(names(await read(text, size))).toEqual(['a', 'b', 'c']);
    }
    expect(await read(forms[0] ?? '')).toEqual([a, b, c]);
  });

  it('leaves out warnings between the lines of one', async () => {
    const text = JSON.stringify(long('a'), null, 2).split('\n');
    text.splice(5, 0, 'WARNING: something', 'srun: error: x', 'Oops {"');
    expect(names(await read(text.join('\n')))).toEqual(['a']);
  });

  it('takes labels of srun, mpirun, mpiexec, pdsh and parallel away', async () => {
    const one = long('a');
    const labels = [
      '3: ',
      '  3: ',
      'P1 3: ',
      '[3] ',
      'node-7.cluster: ',
      'node-7\t',
      '[1,3]<stdout>:',
    ];
    labels.push('[prterun-n1-77@1,3]<stdout>: ', 'Sat Nov 21 10:07:36 2026[1,1]<stdout>:');
    labels.push('Sat Nov  1 10:07:36 2026<stdout>:');
    for (const label of labels) {
      expect(await read(label + line(one)), label).toEqual([one]);
      const pretty = JSON.stringify(one, null, 2).replace(/^|\n/g, (end) => end + label);
      expect(await read(pretty), label).toEqual([one]);
    }
  });

  it('puts pieces with labels together, however they are mixed and cut', async () => {
    const reports = ['a', 'b', 'c', 'd'].map(long);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 40 }),
        fc.constantFrom(37, 1024),
        fc.boolean(),
        async (choices, size, isPretty) => {
          const streams = reports.map((one, i) =>
            labelled(isPretty ? JSON.stringify(one, null, 1) : line(one), `${i}: `, size),
          );
          const found = await read(mixed(streams, choices), 4096);
          expect(found.sort((x, y) => (x.host.name < y.host.name ? -1 : 1))).toEqual(reports);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('puts pieces of Open MPI together, whose tags stand within lines', async () => {
    const reports = ['a', 'b'].map(long);
    const pieces = reports.map((one, i) =>
      labelled(line(one), `[1,${i}]<stdout>:`, 4096).map((piece, at, all) =>
        at + 1 < all.length ? piece.trimEnd() : piece,
      ),
    );
    for (const choices of [[0], [1], [0, 1], [1, 0, 0]]) {
      const found = await read(mixed(pieces, choices));
      expect(found.sort((x, y) => (x.host.name < y.host.name ? -1 : 1))).toEqual(reports);
    }
  });

  it('puts lines together that say themselves whose they are', async () => {
    const own = (name: string) => {
      const at = JSON.stringify(`${name}/1`);
      const text = JSON.stringify(long(name)).replace(
        /\{"(?=id"|name":"(?:mount|ex|tr))/g,
        `\n{"at":${at},"`,
      );
      return `{"at":${at},${text.slice(1)}\n`.split(/(?<=\n)/);
    };
    const streams = ['a', 'b', 'c'].map(own);
    expect(streams[0]?.length).toBeGreaterThan(60);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 40 }),
        async (choices) => {
          expect(names(await read(mixed(streams, choices), 3000))).toEqual(['a', 'b', 'c']);
        },
      ),
      { numRuns: 40 },
    );
    // A long one comes in two pieces, and another's lines stand between them.
    const torn = [...(streams[0] ?? [])];
    const cut = torn[4] ?? '';
    torn.splice(4, 1, cut.slice(0, 20) + (streams[1] ?? []).join('') + cut.slice(20));
    expect(names(await read(torn.join('')))).toEqual(['a', 'b']);
    expect(names(await read(labelled((streams[0] ?? []).join(''), '0: ').join('')))).toEqual(['a']);
  });

  it('refuses what is torn or cut off, and says how to prevent it', async () => {
    const text = JSON.stringify(long('a'));
    const torn = `${text.slice(0, 1024)}${line(long('b'))}${text.slice(1024)}\n`;
    expect(await failure(`\n\n${torn}`)).toMatch(
      /^input, line 3: the report that begins there is torn/,
    );
    expect(await failure(`${text.slice(0, 500)}\n`)).toMatch(/^input, line 1: .* torn/);
    expect(await failure(`${text.slice(0, -1)}\n`)).toMatch(/^input, line 1: .* cut off/);
    expect(await failure(text.replace('"checks":', '"checks"'))).toMatch(/is not JSON/);
    const error = await read(torn).catch((thrown: unknown) => thrown);
    expect((error as { hint: string }).hint).toContain('srun -l');
  });

  it('refuses what is no report of its schema, with the line and the place', async () => {
    const wrong = (changes: object) =>
      failure(`x\n${JSON.stringify({ ...report('a'), ...changes })}\n`);
    expect(await wrong({ checks: [check('Fuse')] })).toMatch(/^input, line 2: checks\.0\.id: /);
    expect(await wrong({ checks: [check('a'), check('a')] })).toMatch(/one id stands there twice/);
    expect(await wrong({ exitStatus: 1 })).toMatch(/exitStatus: does not go with the verdict/);
    expect(await wrong({ tier: null })).toMatch(/tier: does not go/);
    expect(await wrong({ schema: 2 })).toMatch(/a report of schema 2; known is 1/);
    expect(await wrong({ schema: '1' })).toMatch(/schema: /);
    expect(await wrong({ host: { ...report('a').host, memory: -1 } })).toMatch(/host\.memory: /);
    expect(await wrong({ bundle: { name: 'x', id: 'y', arch: [] } })).toMatch(/bundle\.id: /);
    expect(await wrong({ rundle: 'x'.repeat(5000) })).toMatch(/rundle: /);
  });

  it('leaves members that it does not know alone', async () => {
    const one = { ...report('a'), later: { x: 1 }, checks: [{ ...check('new-check'), more: [1] }] };
    expect(await read(JSON.stringify(one))).toEqual([
      { ...report('a'), checks: [check('new-check')] },
    ]);
  });

  it('has limits', async () => {
    const limits = { ...READ_LIMITS, report: 3000 };
    expect(await failure(line(long('a')), limits)).toMatch(/^input, line 1: .* 3000 characters/);
    expect(await failure(line(report('a')), { ...READ_LIMITS, input: 100 })).toMatch(/100 bytes/);
    const open = Array.from({ length: 50 }, (_, i) => `${i}: {"schema":1,${' '.repeat(200)}\n`);
    expect(await failure(open.join(''), { ...READ_LIMITS, open: 5000 })).toMatch(/5000 characters/);
    const flat = `${'['.repeat(100_000)}\n${'{"a":'.repeat(100_000)}\n${line(report('a'))}`;
    expect(names(await read(flat))).toEqual(['a']);
    expect(names(await read(`${'x'.repeat(3_000_000)}${line(report('a'))}`))).toEqual(['a']);
  });

  it('survives any bytes', async () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '"',
      '\\',
      '\n',
      '{"schema":1,',
      '{"at":"a",',
      '0: ',
      ']<stdout>:',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(pieces, fc.string())),
        fc.integer({ min: 1, max: 50 }),
        async (all, size) => {
          const error = await read(all.join(''), size).catch((thrown: unknown) => thrown);
          expect(Array.isArray(error) || isRundleError(error, 'E_FORMAT')).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });
});
