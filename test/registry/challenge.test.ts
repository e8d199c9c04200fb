import { describe, expect, it, test } from 'vitest';
import { parseChallenges } from '#rundle/registry/challenge.js';

const parse = (field: string) =>
  parseChallenges(field, 'here').map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ]);

describe('challenges', () => {
  test.each([
    ['Basic realm="a registry"', [['basic', { realm: 'a registry' }]]],
    [
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
      [
        [
          'bearer',
          {
            realm: 'https://auth.docker.io/token',
            service: 'registry.docker.io',
            scope: 'repository:a/b:pull',
          },
        ],
      ],
    ],
    ['BEARER Realm = "x" , Service=y', [['bearer', { realm: 'x', service: 'y' }]]],
    ['Bearer realm="say \\"hi\\", then go"', [['bearer', { realm: 'say "hi", then go' }]]],
    [
      'Basic realm="a", Bearer realm="b", scope="c"',
      [
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'b', scope: 'c' }],
      ],
    ],
    [
      'Negotiate, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'Negotiate YWJj=, Basic realm=x',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    ['Basic', [['basic', {}]]],
    ['Basic realm=""', [['basic', { realm: '' }]]],
    [', ,Basic realm=x,', [['basic', { realm: 'x' }]]],
    ['', []],
  ])('%s', (field, expected) => {
    expect(parse(field)).toEqual(expected);
  });

  test.each([
    'realm="x"',
    'Bearer realm="x',
    'Bearer realm="x" service="y"',
    'Bearer realm="x", realm="y"',
    'Bearer realm="a\nb"',
    'Bearer realm="a\u0000"',
    'Bearer "x"',
    '"Bearer" realm=x',
    'Bearer realm=x;scope=y',
    `Bearer realm="${'x'.repeat(9000)}"`,
  ])('refused: %j', (field) => {
    expect(() => parse(field)).toThrow(
      expect.objectContaining({ code: 'E_NETWORK', message: expect.stringContaining('here: ') }),
    );
  });

  it('ends over hostile ones', () => {
    const hostile = ['a ', 'a,', 'a=', 'a b="', ' ', ',', '\\"'].map((part) =>
      part.repeat(8192 / part.length),
    );
    for (const field of hostile) {
      try {
        expect(parse(`Bearer ${field}`.slice(0, 8192))).toBeInstanceOf(Array);
      } catch (error) {
        expect(error).toMatchObject({ code: 'E_NETWORK' });
      }
    }
  });
});
