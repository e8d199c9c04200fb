import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check, host, lesser, report, unable } from '../hosts/support/report.js';
import { cli, type Ended, makeWorkspace, rundle, type Workspace } from './support/rundle.js';

let workspace: Workspace;
beforeAll(() => {
  workspace = makeWorkspace();
});
afterAll(() => workspace.remove());

/** Runs `rundle hosts` with `input` on standard input. */
function hosts(input: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [cli, 'hosts', ...args],
      { cwd: workspace.directory, maxBuffer: 2 ** 28 },
      (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : (error.code ?? ''), stdout, stderr });
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

const lines = (...reports: object[]) => reports.map((one) => `${JSON.stringify(one)}\n`).join('');
const node = (number: number) => `n${String(number).padStart(3, '0')}`;
const cluster = lines(
  ...Array.from({ length: 14 }, (_, i) => report(node(i + 1))),
  lesser('n015'),
  lesser('n016'),
  unable('n020'),
);

const TABLE = `\
numpy: 17 nodes reported; 14 run in the best tier, 2 in a lesser one, 1 does not run, 1 did not
report

group  nodes  verdict               names
1         14  tier mount, the best  n[001-014]
2          2  tier extract          n[015-016]
3          1  does not run          n020
-          1  no report             n017

What differs between the 3 groups
  memory>=600G
    1-2  not reported
    3    fail
  tier mount
    1,3  pass
    2    fail opening /dev/fuse: No such file or directory
  fuse
    1,3  pass yes
    2    fail absent

What falls short, and the way out
  n020
    memory>=600G: found 503 GiB
  n[015-016]
    tier mount: opening /dev/fuse: No such file or directory
      sudo modprobe fuse
  n[015-016]
    fuse: opening /dev/fuse: No such file or directory
`;

describe('rundle hosts', () => {
  it('prints one table for people', async () => {
    const ended = await hosts(cluster, '--nodes', 'n[001-017,020]');
    expect(ended).toEqual({ status: 1, stdout: TABLE, stderr: '' });
  });

  it('answers with its exit status', async () => {
    expect((await hosts(lines(report('a'), report('b')), '--expect', '2')).status).toBe(0);
    expect((await hosts(lines(report('a'), lesser('b')))).status).toBe(2);
    expect((await hosts(lines(report('a')), '--expect', '2')).status).toBe(1);
  });

  it('reads files, several of them, and standard input by its name', async () => {
    for (const name of ['a', 'b'])
      writeFileSync(workspace.path(`${name}.json`), lines(report(name)));
    const ended = await hosts(lines(report('c')), 'a.json', '-', 'b.json');
    expect(ended.stdout).toContain('a,b,c\n');
    expect(await rundle(workspace, ['hosts', 'a.json'])).toMatchObject({ status: 0 });
  });

  it('prints one JSON object', async () => {
    const { stdout, status } = await hosts(cluster, '--json', '--nodes', 'n[001-018,020]');
    const found = JSON.parse(stdout);
    expect(found).toMatchObject({
      schema: 1,
      verdict: 'none',
      exitStatus: status,
      bundles: [{ id: 'ab'.repeat(32), name: 'numpy' }],
      reports: 17,
      nodes: { reported: 17, expected: 19, missing: 2, missingNames: ['n017', 'n018'] },
    });
    expect(found.groups[1]).toEqual({
      number: 2,
      verdict: 'lesser',
      tier: 'extract',
      nodes: ['n015', 'n016'],
      range: 'n[015-016]',
    });
    expect(found.differences[2]).toEqual({
      property: 'check:fuse',
      name: 'fuse',
      variants: [
        { groups: [1, 3], found: [{ result: 'pass', value: 'yes' }] },
        { groups: [2], found: [{ result: 'fail', value: 'absent' }] },
      ],
    });
    expect(found.shortfalls[1]).toEqual({
      property: 'tier:mount',
      name: 'tier mount',
      nodes: ['n015', 'n016'],
      range: 'n[015-016]',
      reason: 'opening /dev/fuse: No such file or directory',
      remedy: ['sudo modprobe fuse'],
    });
  });

  it('says what is wrong with its input, and ends with a status that is no answer', async () => {
    const broken = lines(report('a')).slice(0, -40);
    const wrong: [input: string, args: string[], text: RegExp][] = [
      [
        'x\n{"schema":1,"file":"x"}\n',
        [],
        /^rundle: standard input: there is no report in it\n {2}give what /,
      ],
      [`x\n${broken}\n`, [], /^rundle: standard input, line 2: the report that begins there /],
      ['', ['missing.json'], /^rundle: reading "missing.json": ENOENT/],
      ['', ['--expect', '0'], /--expect "0" is not a number from 1/],
      ['', ['--nope'], /unknown option/],
    ];
    for (const [input, args, text] of wrong) {
      const ended = await hosts(input, ...args);
      expect(ended.stderr).toMatch(text);
      expect(ended, String(text)).toMatchObject({ status: 3, stdout: '' });
      expect(JSON.parse((await hosts(input, ...args, '--json')).stderr)).toHaveProperty(
        'error.code',
      );
    }
  });

  it('lets nothing in a report act on a terminal, and stays within 100 columns', async () => {
    const evil = '\u001b[2J\u009b31m\u202e\r\nrm -rf "$HOME"';
    const long = Array.from({ length: 60 }, (_, i) => `word${i}`).join(' ');
    const one = unable(`${evil}${'h'.repeat(300)}`);
    const reports = [
      { ...one, bundle: { ...one.bundle, name: evil }, rundle: evil, tier: null },
      { ...one, requirements: [{ text: evil, met: false, found: evil, remedy: [evil] }] },
      { ...report('b'), checks: [check('fuse', { value: long, detail: long })] },
      { ...report('c'), host: host('c', { cpu: evil, distribution: long }) },
      ...Array.from({ length: 90 }, (_, i) => report(`${'x'.repeat(i)}y`)),
    ];
    const { stdout } = await hosts(lines(...reports));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is these that must not be there
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(stdout).toContain('\\x1b[2J');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('is not frightened by many different hosts', async () => {
    const reports = Array.from({ length: 2000 }, (_, i) =>
      report(`n${i}`, { checks: [check('id', { value: `v${i}` })] }),
    );
    const { stdout, status } = await hosts(lines(...reports));
    expect(status).toBe(0);
    expect(stdout).toContain('1960 more groups');
    expect(stdout.split('\n').length).toBeLessThan(120);
  });
});
