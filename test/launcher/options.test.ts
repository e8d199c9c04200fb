import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFront, type Front } from './support/front.js';

let front: Front;
beforeAll(() => {
  front = compileFront();
});
afterAll(() => front?.remove());

const parse = (...argv: string[]) => front.run(['options', ...argv]);

describe('forms of options', () => {
  test('long with blank and with =, short, bundled, attached', () => {
    expect(
      parse('--target', 'a', '--workdir=/w', '-kq', '-eA=1', '-e', 'B', '-wtDIR').options,
    ).toEqual({
      target: 'DIR',
      workdir: '/w',
      keep: true,
      quiet: true,
      rw: true,
      env: ['A=1', 'B'],
    });
    expect(parse('-t=DIR').options).toEqual({ target: 'DIR' });
  });

  test('lists keep their order, of single values the last one counts', () => {
    const { options } = parse('-m', 'a:b', '--mount=c:d', '-c', 'x', '-t', 'one', '-t', 'two');
    // The configuration file x is not there: only the parser's part is looked at.
    expect(options).toBeUndefined();
    expect(parse('-m', 'a:b', '--mount=c:d', '-t', 'one', '-t', 'two').options).toEqual({
      mount: ['a:b', 'c:d'],
      target: 'two',
    });
  });

  test('options end at the first operand and at --', () => {
    expect(parse('-q', 'cmd', '-k', '--', 'x')).toMatchObject({
      options: { quiet: true },
      operands: ['cmd', '-k', '--', 'x'],
    });
    expect(parse('-q', '--', '-k')).toMatchObject({ options: { quiet: true }, operands: ['-k'] });
    expect(parse('-', '-k').operands).toEqual(['-', '-k']);
    expect(parse('', '-k').operands).toEqual(['', '-k']);
    expect(parse('--').operands).toEqual([]);
  });

  test('ten thousand arguments, and one of 100 kB', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `a${index}`);
    expect(parse('--', ...many).operands).toEqual(many);
    const settings = Array.from({ length: 2000 }, (_, index) => `--env=A${index}=x`);
    expect(parse(...settings).options?.env).toHaveLength(2000);
    const long = 'x'.repeat(100_000);
    expect(parse(`--env=A=${long}`).options?.env).toEqual([`A=${long}`]);
  });
});

describe('mistakes', () => {
  test.each([
    [['--rot'], '--root'],
    [['--keeep'], '--keep'],
    [['--wrkdir', '/'], '--workdir'],
    [['--no-entry'], '--no-entrypoint'],
    [['--readonly=1'], '--help'],
    [['-Z'], '--help'],
    [['-kZ'], '--help'],
    [['---'], '--help'],
  ])('%j is unknown; the hint says %s', (argv, word) => {
    const answer = parse(...argv);
    expect(answer.status).toBe(1);
    expect(answer.fault).toContain('unknown option');
    expect(answer.hint).toContain(word);
  });

  test.each([
    [['--env'], 'needs a value'],
    [['-ke'], 'needs a value'],
    [['--target='], 'needs a value'],
    [['-t', ''], 'needs a value'],
    [['--keep=yes'], 'takes no value'],
    [['--inherit-env', '--clean-env'], 'contradict'],
    [['--info', '--verify'], 'contradict'],
    [['-x', '--check'], 'contradict'],
    [['--no-entrypoint', '--rc', 'f', 'x'], 'contradict'],
    [['--info', 'cmd'], 'starts no program'],
    [['-x', 'cmd'], 'starts no program'],
    [['--json'], '--json'],
    [['--workdir', 'relative'], 'absolute'],
    [['--mode', 'warp'], 'warp'],
  ])('%j: %s', (argv, word) => {
    const answer = parse(...argv);
    expect(answer.status).toBe(1);
    expect(answer.fault).toContain(word);
  });

  test('--help and --version win over contradictions', () => {
    expect(parse('--help', '--info', '--verify').status).toBe(0);
    expect(parse('--version', '--json').status).toBe(0);
  });

  test('a control character in an option is not sent to the terminal', () => {
    const { stderr } = front.run(['message', 'a\x1b[2Jb\u009bc\nd é', 'first\nsecond\x07']);
    expect(stderr).toBe(
      'rundle: a\\x1b[2Jb\\xc2\\x9bc\\x0ad é: No such file or directory\n  first\n  second\\x07\n',
    );
  });
});
