import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CPU_FEATURES } from '#rundle/requirement/cpu-features.js';
import { parseRequirement, requirementText, SYNTAX } from '#rundle/requirement/requirement.js';
import { architecture } from '../launcher/support/built-launcher.js';
import { compileTool, stub, type Tool } from './support/tool.js';

let tool: Tool;
beforeAll(() => {
  tool = compileTool();
});
afterAll(() => tool?.remove());

/** The normal form, or undefined when the builder refuses it. */
function normal(text: string): string | undefined {
  try {
    return requirementText(parseRequirement(text));
  } catch {
    return undefined;
  }
}

const understood = (texts: readonly string[]) =>
  tool.check(texts).map(({ met }) => met !== undefined);

describe('builder and launcher', () => {
  const features = CPU_FEATURES[architecture];
  const words = 'arch kernel cpu cpus memory disk shm memlock stack nofile nproc gpu driver foo';
  const values =
    '5.11 16G 64K 8 0 07 1.2.3.4.5 unlimited none nvidia amd x86_64 aarch64 9007199254740991 1T';
  const word = fc.constantFrom(...words.split(' '));
  const value = fc.constantFrom('', ...values.split(' '), ...features.slice(0, 6));
  const operator = fc.constantFrom('>=', '=', '<', '>', '<=', ',', ',<', ',>=', '|', '');
  const alternative = fc
    .tuple(word, operator, value, fc.array(fc.tuple(operator, value), { maxLength: 2 }))
    .map(([name, first, one, rest]) => [name, first, one, ...rest.flat()].join(''));
  const version = fc.constantFrom('5', '5.11', '470.82.01', '999999.0.0.1');
  const bound = fc.tuple(fc.constantFrom('>=', '<'), version).map((pair) => pair.join(''));
  const amount = fc.tuple(
    fc.integer({ min: 1, max: 5000 }),
    fc.constantFrom('', 'K', 'M', 'G', 'T'),
  );
  const sound = fc.oneof(
    fc
      .tuple(fc.constantFrom('kernel', 'driver'), fc.array(bound, { minLength: 1, maxLength: 3 }))
      .map(([name, list]) => `${name}${list.join(',')}`),
    fc
      .tuple(fc.constantFrom('memory', 'disk', 'shm', 'memlock', 'stack'), amount)
      .map(([name, [number, unit]]) => `${name}>=${number}${unit}`),
    fc
      .tuple(fc.constantFrom('cpus', 'nofile', 'nproc'), fc.nat(70_000))
      .map(([name, number]) => `${name}>=${number}`),
    fc
      .subarray([...features], { minLength: 1, maxLength: 9 })
      .map((list) => `cpu=${list.join(',')}`),
    fc.constantFrom('gpu', 'gpu=amd', 'driver=none', 'memlock=unlimited', 'arch=aarch64'),
  );
  const likely = fc
    .array(fc.oneof({ weight: 4, arbitrary: sound }, alternative), { minLength: 1, maxLength: 3 })
    .map((list) => list.join('|'));
  const broken = fc
    .tuple(likely, fc.nat(30), fc.constantFrom('\t', '.', 'K', '|', '0', '=', 'x', ' ', '\x7f'))
    .map(([text, at, piece]) => text.slice(0, at) + piece + text.slice(at));
  const anything = fc.array(fc.oneof({ weight: 3, arbitrary: likely }, broken), {
    minLength: 100,
    maxLength: 100,
  });

  test('the launcher understands whatever the builder writes, and the builder whatever it understands', () => {
    let accepted = 0;
    fc.assert(
      fc.property(anything, (texts) => {
        const normals = texts.flatMap((text) => normal(text) ?? []);
        accepted += normals.length;
        const written = understood(normals);
        expect(normals.filter((_, index) => !written[index])).toEqual([]);
        const known = understood(texts);
        const unknown = texts.filter((text, index) => known[index] && normal(text) === undefined);
        expect(unknown).toEqual([]);
      }),
      { numRuns: 30 },
    );
    expect(accepted).toBeGreaterThan(500);
  });

  test('every example', () => {
    const texts = SYNTAX.flatMap((text) => normal(text) ?? []);
    const own = texts.filter((text) => !text.startsWith('cpu=') || architecture === 'x86_64');
    expect(understood(own)).toEqual(own.map(() => true));
  });

  test('the same bounds', () => {
    const many = Array.from({ length: 68 }, (_, index) => `kernel>=${100_000 + index}`).join('|');
    const within = [
      `${many}.0000`,
      'memory>=9007199254740991',
      'memory>=8388607G',
      'kernel>=9.0.0.1',
    ];
    const beyond = [
      `${many}.00000`,
      'memory>=9007199254740992',
      'memory>=8388608G',
      'kernel>=1000000',
    ];
    expect([within[0]?.length, beyond[0]?.length]).toEqual([1024, 1025]);
    expect(understood([...within, ...beyond])).toEqual([
      ...within.map(() => true),
      ...beyond.map(() => false),
    ]);
    expect(within.map(normal)).not.toContain(undefined);
    expect(beyond.map(normal)).toEqual(beyond.map(() => undefined));
  });
});

describe('CPU features', () => {
  /** Names as they are written in C, between the braces of a table or the quotes of a list. */
  const source = readFileSync(join(stub, 'cpu_features.c'), 'utf8');

  test('of both architectures are those that the launcher has', () => {
    const [x86 = '', arm = ''] = source.split('#else');
    const rows = [...x86.matchAll(/\{"([a-z0-9_-]+)", /g)].map(([, name]) => name);
    expect([...rows].sort()).toEqual([...CPU_FEATURES.x86_64].sort());
    const lists = [...arm.matchAll(/\[\] =\s*((?:"[^"]*"\s*)+);/g)].flatMap(([, list = '']) =>
      list.replace(/"\s*"/g, '').replaceAll('"', '').trim().split(' '),
    );
    expect(lists.filter((name) => name !== '-').sort()).toEqual([...CPU_FEATURES.aarch64].sort());
  });

  test('are there as /proc/cpuinfo says', () => {
    const [, line = ''] =
      /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8')) ?? [];
    const has = new Set(line.trim().split(/\s+/));
    const plain = CPU_FEATURES[architecture].filter((name) => !name.startsWith('x86-64'));
    const found = tool.check(plain.map((name) => `cpu=${name}`));
    expect(Object.fromEntries(plain.map((name, index) => [name, found[index]?.met]))).toEqual(
      Object.fromEntries(plain.map((name) => [name, has.has(name)])),
    );
    expect(plain.some((name) => has.has(name))).toBe(true);
    expect(plain.some((name) => !has.has(name))).toBe(true);
  });

  test.runIf(architecture === 'x86_64')('levels are those that the C library finds', () => {
    const loader = execFileSync('/lib64/ld-linux-x86-64.so.2', ['--help'], { encoding: 'utf8' });
    const levels = ['x86-64-v2', 'x86-64-v3', 'x86-64-v4'];
    const found = tool.check(levels.map((name) => `cpu=${name}`));
    expect(found.map(({ met }) => met)).toEqual(
      levels.map((name) => loader.includes(`${name} (supported`)),
    );
  });
});
