import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bundleName,
  decodeLaunchConfig,
  encodeLaunchConfig,
  type LaunchConfig,
} from '#rundle/bundle/launch-config.js';
import { type ByteString, fromBytes } from '#rundle/tree/byte-string.js';

const bytes = (text: string) => text as ByteString;
const refused = (words: string) =>
  expect.objectContaining({ code: 'E_BUNDLE', message: expect.stringContaining(words) });

const value = fc.uint8Array({ min: 1, max: 255, maxLength: 40 }).map((list) => fromBytes(list));
const list = fc.array(value, { maxLength: 6 });
const path = value.map((rest) => bytes(`/${rest}`));
const size = fc.nat({ max: Number.MAX_SAFE_INTEGER });

const anyConfig: fc.Arbitrary<LaunchConfig> = fc.record(
  {
    architecture: fc.constantFrom('x86_64' as const, 'aarch64' as const),
    payload: fc.nat({ max: 0xffffffff }),
    root: path,
    id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((b) => Buffer.from(b).toString('hex')),
    size,
    inodes: size,
    name: value.map((rest) => bytes(`n${rest.replaceAll('/', '')}`)),
    entrypoint: list,
    cmd: list,
    env: fc
      .array(fc.tuple(value, value), { maxLength: 5 })
      .map((pairs) => pairs.map(([k, v]) => bytes(`K${k.replaceAll('=', '')}=${v}`))),
    workdir: path,
    rc: fc.boolean(),
    mounts: list,
    target: value.map((rest) => bytes(`t${rest}`)),
    mountHome: fc.boolean(),
    mountCwd: fc.boolean(),
    require: list,
  },
  {
    requiredKeys: [
      ...([
        'architecture',
        'payload',
        'root',
        'id',
        'size',
        'inodes',
        'name',
        'entrypoint',
      ] as const),
      ...(['cmd', 'env', 'workdir', 'rc', 'mounts', 'mountHome', 'mountCwd', 'require'] as const),
    ],
  },
);

const least = {
  arch: 'x86_64',
  payload: '0',
  root: '/',
  id: 'a'.repeat(64),
  size: '0',
  inodes: '1',
  name: 'n',
};
const section = (pairs: Record<string, string>, ...more: string[]) =>
  Buffer.from(
    [...Object.entries(pairs).map(([key, value]) => `${key}=${value}`), ...more]
      .map((entry) => `${entry}\0`)
      .join(''),
    'latin1',
  );

test('comes back as it was', () => {
  fc.assert(
    fc.property(anyConfig, (config) => {
      expect(decodeLaunchConfig(encodeLaunchConfig(config), 'x')).toEqual(config);
    }),
    { numRuns: 300 },
  );
});

test('any bytes are refused or understood', () => {
  const entry = fc.oneof(
    fc.constantFrom(...Object.entries(least).map(([key, value]) => `${key}=${value}`)),
    fc
      .tuple(fc.constantFrom(...Object.keys(least), 'env', 'rc', '!x', 'x'), value)
      .map((p) => p.join('=')),
    value,
  );
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.boolean(), (entries, ended) => {
      const text = entries.join('\0') + (ended ? '\0' : '');
      try {
        decodeLaunchConfig(Buffer.from(text, 'latin1'), 'x');
      } catch (error) {
        expect(error).toEqual(refused('reading x'));
      }
    }),
  );
});

describe('reading', () => {
  test('the least, and a key of a later version', () => {
    const config = decodeLaunchConfig(section(least, 'later=1', 'later=2', 'constructor=1'), 'x');
    expect(config).toMatchObject({
      workdir: '/',
      entrypoint: [],
      env: [],
      rc: false,
      mountCwd: false,
      require: [],
    });
    expect(config).not.toHaveProperty('target');
  });

  test.each(Object.keys(least))('%s is needed, and only once', (key) => {
    const { [key as keyof typeof least]: value, ...rest } = least;
    expect(() => decodeLaunchConfig(section(rest), 'x')).toThrow(refused(`${key} is missing`));
    expect(() => decodeLaunchConfig(section(least, `${key}=${value}`), 'x')).toThrow(refused(key));
  });

  test.each([
    'arch=riscv64',
    'payload=-1',
    'payload=01',
    'payload=4294967296',
    'payload=',
    'root=etc',
    `id=${'A'.repeat(64)}`,
    'id=abc',
    'size=9007199254740993',
    'size=1e3',
    'inodes=99999999999999999999',
    'name=',
    'name=..',
    'name=a/b',
    'workdir=tmp',
    'workdir=',
    'env=NAME',
    'env==x',
    'rc=yes',
    'target=',
    'mount-home=2',
    '!must=know',
    'no equals sign',
    '=x',
    '',
  ])('"%s" is refused', (entry) => {
    const key = entry.slice(0, entry.indexOf('='));
    const { [key as keyof typeof least]: _, ...rest } = least;
    expect(() => decodeLaunchConfig(section(rest, entry), 'x')).toThrow(refused('reading x'));
  });

  test('what does not end in NUL, is empty or too large is refused', () => {
    const whole = section(least);
    for (const input of [whole.subarray(0, -1), Buffer.alloc(0)]) {
      expect(() => decodeLaunchConfig(input, 'x')).toThrow(refused('without an end'));
    }
    const large = section(least, `cmd=${'x'.repeat(1 << 20)}`);
    expect(() => decodeLaunchConfig(large, 'x')).toThrow(refused('bytes without an end'));
  });
});

describe('writing', () => {
  const config = decodeLaunchConfig(section(least), 'x');

  test('NUL and values that the launcher refuses are refused', () => {
    for (const change of [
      { cmd: [bytes('a\0b')] },
      { env: [bytes('NAME')] },
      { workdir: bytes('tmp') },
      { name: bytes('a/b') },
      { size: -1 },
      { payload: 1.5 },
      { id: 'x' },
    ]) {
      expect(() => encodeLaunchConfig({ ...config, ...change })).toThrow(
        expect.objectContaining({ code: 'E_FORMAT' }),
      );
    }
  });

  test('more than 1 MiB is refused', () => {
    const cmd = [bytes('x'.repeat(1 << 20))];
    expect(() => encodeLaunchConfig({ ...config, cmd })).toThrow(
      expect.objectContaining({ code: 'E_UNSUPPORTED' }),
    );
  });
});

test('the short name', () => {
  expect(['x.run', 'x', '.run', '..run', '...run', 'a.run.run', 'é.run'].map(bundleName)).toEqual([
    ...['x', 'x', '.run', '..run', '...run', 'a.run'],
    '\xc3\xa9',
  ]);
});
