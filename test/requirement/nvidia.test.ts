import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CUDA_DRIVERS } from '#rundle/requirement/cuda-drivers.js';
import { imageRequirements } from '#rundle/requirement/nvidia.js';
import { parseRequirement, requirementText } from '#rundle/requirement/requirement.js';
import { compareVersions } from '#rundle/requirement/version.js';

const read = (value: string) => imageRequirements([`NVIDIA_REQUIRE_CUDA=${value}`]);
const text = (value: string) => read(value)[0]?.text;

/** All brands with one branch of the driver, as the images of nvidia/cuda list them. */
const branch = (number: number, brands: string) =>
  brands
    .split(' ')
    .map((brand) => `brand=${brand},driver>=${number},driver<${number + 1}`)
    .join(' ');
const ALL = 'tesla unknown nvidia nvidiartx geforce geforcertx quadro quadrortx titan titanrtx';

describe('what images of nvidia/cuda say', () => {
  test.each([
    ['8.0', 'cuda>=8.0', 'driver=none|driver>=367.48'],
    [
      '10.0',
      'cuda>=10.0 brand=tesla,driver>=384,driver<385',
      'driver=none|driver>=384,<385|driver>=410.48',
    ],
    [
      '10.2',
      'cuda>=10.2 brand=tesla,driver>=396,driver<397 brand=tesla,driver>=410,driver<411 brand=tesla,driver>=418,driver<419 brand=tesla,driver>=440,driver<441',
      'driver=none|driver>=396,<397|driver>=410,<411|driver>=418,<419|driver>=440',
    ],
    [
      '11.0.3',
      'cuda>=11.0 brand=tesla,driver>=418,driver<419 brand=tesla,driver>=440,driver<441 driver>=450',
      'driver=none|driver>=418,<419|driver>=440,<441|driver>=450',
    ],
    [
      '12.2.2',
      `cuda>=12.2 ${branch(470, ALL)} ${branch(525, ALL)}`,
      'driver=none|driver>=470,<471|driver>=525,<526|driver>=535.54.03',
    ],
    [
      '12.8.1',
      `cuda>=12.8 ${branch(535, ALL)} ${branch(550, ALL)} ${branch(565, ALL)}`,
      'driver=none|driver>=535,<536|driver>=550,<551|driver>=565,<566|driver>=570.26',
    ],
  ])('%s', (_, value, expected) => {
    // The branch of the version itself and the one of CUDA touch: 440 and 440.33 are one range.
    expect(text(value)).toBe(expected);
  });

  test('what cannot be checked is listed, each once', () => {
    expect(read(`cuda>=12.2 ${branch(470, ALL)} ${branch(525, ALL)}`)[0]?.notChecked).toEqual(
      ALL.split(' ').map((brand) => `brand=${brand}`),
    );
    expect(read('cuda>=12.2')[0]?.notChecked).toEqual([]);
  });
});

describe('the rules of the container toolkit', () => {
  test.each([
    [
      'an alternative that only a library could check allows every driver',
      'cuda>=12 arch>=7.0',
      undefined,
    ],
    ['a condition of that kind counts as met beside others', 'arch>=7.0,cuda>=12.0', '>=525.60.13'],
    ['properties that it does not know are passed over', 'foo>=1 cuda>=12.0', '>=525.60.13'],
    ['... also beside others', 'foo>=1,cuda>=12.0', '>=525.60.13'],
    ['capitals are no property of its', 'CUDA>=12.3 driver>=545', '>=545'],
    ['an alternative that contradicts itself is none', 'driver>=5,driver<4 driver>=545', '>=545'],
    ['blanks at the ends and double ones', '  cuda>=12.0   driver>=545 ', '>=525.60.13'],
    [
      'ranges that overlap become one',
      'driver>=5,driver<9 driver>=7,driver<12 driver>=12,driver<13',
      '>=5,<13',
    ],
    ['an upper bound alone', 'driver<400', '<400'],
    ['the stricter of two bounds', 'driver>=400,driver>=450,driver<500,driver<480', '>=450,<480'],
  ])('%s', (_, value, expected) => {
    expect(text(value)).toBe(expected && `driver=none|driver${expected}`);
  });

  test.each(['', ' ', ','])('a variable with "%s" asks for nothing', (value) => {
    expect(read(value)).toEqual([]);
  });

  test.each([
    'cuda',
    'cuda>=x',
    'driver=470',
    'driver!=470',
    'cuda<13',
    'brand=tesla',
    'driver>=5,driver<4',
    '>=1',
    'é>=1',
  ])('%s is shown, not dropped', (value) => {
    expect(read(value)).toEqual([
      { from: 'NVIDIA_REQUIRE_CUDA', text: undefined, notChecked: [value] },
    ]);
  });

  test('a version of CUDA newer than the table needs at least the newest driver of it', () => {
    const [, newest] = CUDA_DRIVERS.at(-1) ?? [];
    expect(read('cuda>=99.0')).toEqual([
      {
        from: 'NVIDIA_REQUIRE_CUDA',
        text: `driver=none|driver>=${newest}`,
        notChecked: ['cuda>=99.0'],
      },
    ]);
  });

  test('each variable is a requirement of its own; those of Tegra are left out', () => {
    const all = imageRequirements([
      'NVIDIA_REQUIRE_DRIVER=driver>=450',
      'NVIDIA_REQUIRE_CUDA=cuda>=12.0',
      'NVIDIA_REQUIRE_JETPACK=csv-mounts=all',
      'NVIDIA_REQUIRE_JETPACK_HOST_MOUNTS=base-only',
      'NVIDIA_VISIBLE_DEVICES=all',
    ]);
    expect(all.map(({ from, text }) => [from, text])).toEqual([
      ['NVIDIA_REQUIRE_CUDA', 'driver=none|driver>=525.60.13'],
      ['NVIDIA_REQUIRE_DRIVER', 'driver=none|driver>=450'],
    ]);
  });

  test.each(['1', 'true', 'TRUE', 'True', 't', 'T'])('NVIDIA_DISABLE_REQUIRE=%s', (value) => {
    const env = ['NVIDIA_REQUIRE_CUDA=cuda>=12.0', `NVIDIA_DISABLE_REQUIRE=${value}`];
    expect(imageRequirements(env)).toEqual([]);
  });

  test.each(['0', 'false', '', 'yes'])('not NVIDIA_DISABLE_REQUIRE=%s', (value) => {
    const env = ['NVIDIA_REQUIRE_CUDA=cuda>=12.0', `NVIDIA_DISABLE_REQUIRE=${value}`];
    expect(imageRequirements(env)).toHaveLength(1);
  });

  test('images from before these variables say CUDA_VERSION', () => {
    const of = (...env: string[]) => imageRequirements(env).map(({ from, text }) => [from, text]);
    expect(of('CUDA_VERSION=12.5.1')).toEqual([['CUDA_VERSION', 'driver=none|driver>=555.42.02']]);
    expect(of('CUDA_VERSION=12.5.1', 'NVIDIA_REQUIRE_CUDA=cuda>=12.0')).toEqual([
      ['NVIDIA_REQUIRE_CUDA', 'driver=none|driver>=525.60.13'],
    ]);
    expect(of('CUDA_VERSION=')).toEqual([]);
  });

  test('a variable that leaves too many ranges is shown as it stands', () => {
    const value = Array.from(
      { length: 100 },
      (_, index) => `driver>=${index * 10 + 1},driver<${index * 10 + 5}`,
    ).join(' ');
    const [only] = read(value);
    expect(only?.text).toBeUndefined();
    expect(only?.notChecked[0]).toMatch(/^driver>=1,driver<5 .*\.\.\.$/);
  });
});

/** What the toolkit says of a host with this driver and a GPU of a brand that is always the one asked for. */
function allowed(value: string, driver: string): boolean {
  const knows = [...CUDA_DRIVERS].reverse().find((row) => compareVersions(driver, row[1]) >= 0);
  const terms = value.split(' ').map((term) => term.split(',').filter((factor) => factor !== ''));
  return terms.some(
    (factors) =>
      factors.length > 0 &&
      factors.every((factor) => {
        const [, property = '', operator = '', wanted = ''] =
          /^(\w+)(>=|<|=)(.*)$/.exec(factor) ?? [];
        if (property === 'brand') return true;
        const has = property === 'cuda' ? (knows?.[0] ?? '0') : driver;
        const order = compareVersions(has, wanted);
        return operator === '<' ? order < 0 : order >= 0;
      }),
  );
}

function allows(requirement: string, driver: string): boolean {
  return requirement.split('|').some((alternative) => {
    const bounds = alternative.slice('driver'.length).split(',');
    return (
      alternative !== 'driver=none' &&
      bounds.every((bound) => {
        const below = bound.startsWith('<');
        return below === compareVersions(driver, bound.replace(/^(<|>=)/, '')) < 0;
      })
    );
  });
}

test('what is asked of the driver is what the toolkit would ask', () => {
  const version = fc
    .tuple(fc.integer({ min: 340, max: 620 }), fc.nat(130))
    .map(([a, b]) => `${a}.${b}`);
  const factor = fc.oneof(
    fc.constantFrom(...CUDA_DRIVERS.map(([cuda]) => `cuda>=${cuda}`)),
    version.map((one) => `driver>=${one}`),
    version.map((one) => `driver<${one}`),
    fc.constantFrom('brand=tesla', 'brand=geforce'),
  );
  const term = fc.array(factor, { minLength: 1, maxLength: 3 }).map((list) => list.join(','));
  const value = fc.array(term, { minLength: 1, maxLength: 5 }).map((list) => list.join(' '));
  fc.assert(
    fc.property(value, fc.array(version, { minLength: 5, maxLength: 5 }), (asked, drivers) => {
      const requirement = text(asked);
      for (const driver of drivers) {
        // Nothing is left when every driver will do, and also when none can: then all is said to be met.
        if (requirement === undefined) continue;
        expect(requirementText(parseRequirement(requirement))).toBe(requirement);
        expect(allows(requirement, driver), `${requirement} with ${driver}`).toBe(
          allowed(asked, driver),
        );
      }
    }),
    { numRuns: 500 },
  );
});
