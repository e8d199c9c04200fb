import { describe, expect, test } from 'vitest';
import {
  assertPossible,
  bundleRequirements,
  carriedRequirements,
  parseRequirements,
} from '#rundle/requirement/bundle-requirements.js';
import { CUDA_DRIVERS } from '#rundle/requirement/cuda-drivers.js';
import { parseRequirement, requirementText, SYNTAX } from '#rundle/requirement/requirement.js';
import { compareVersions } from '#rundle/requirement/version.js';

const normal = (text: string) => requirementText(parseRequirement(text));
const refused = (words: string) =>
  expect.objectContaining({ code: 'E_USAGE', message: expect.stringContaining(words) });

describe('a requirement in its normal form', () => {
  test.each([
    ['kernel>=5.11', 'kernel>=5.11'],
    [' Kernel >= 5.11 ', 'kernel>=5.11'],
    ['kernel>=5.11,<6.5', 'kernel>=5.11,<6.5'],
    ['cpu=AVX2', 'cpu=avx2'],
    ['cpu=sse4.2, lzcnt,sse3,SSE4_2', 'cpu=sse4_2,abm,pni'],
    ['cpu=avx512-vnni,avx512_f,AVX512VL', 'cpu=avx512_vnni,avx512f,avx512vl'],
    ['cpu=x86-64-v3', 'cpu=x86-64-v3'],
    ['cpu=x86_64-v4', 'cpu=x86-64-v4'],
    ['cpu=neon,lse,dotprod', 'cpu=asimd,atomics,asimddp'],
    ['cpu=avx2|cpu=neon', 'cpu=avx2|cpu=asimd'],
    ['cpus>=08', 'cpus>=8'],
    ['memory>=16G', 'memory>=16G'],
    ['memory>=16GiB', 'memory>=16G'],
    ['memory>=16384m', 'memory>=16G'],
    ['memory>=1000', 'memory>=1000'],
    ['disk>=2048K', 'disk>=2M'],
    ['shm>=1g', 'shm>=1G'],
    ['memlock=unlimited', 'memlock=unlimited'],
    ['memlock>=UNLIMITED', 'memlock=unlimited'],
    ['memlock>=64M', 'memlock>=64M'],
    ['nofile>=65536', 'nofile>=65536'],
    ['nproc=unlimited', 'nproc=unlimited'],
    ['gpu', 'gpu'],
    ['GPU=NVIDIA', 'gpu=nvidia'],
    ['gpu=nvidia | gpu=amd | gpu=nvidia', 'gpu=nvidia|gpu=amd'],
    ['driver>=525', 'driver>=525'],
    ['driver>=535.54.03', 'driver>=535.54.03'],
    ['cuda>=12.4', 'driver>=550.54.14'],
    ['cuda>=12.4.1', 'driver>=555.42.02'],
    ['cuda>=12.7', 'driver>=570.26'],
    ['cuda>=11', 'driver>=450.51.05'],
    ['arch=arm64', 'arch=aarch64'],
    ['arch=AMD64', 'arch=x86_64'],
  ])('%s becomes %s, and stays so', (given, expected) => {
    expect(normal(given)).toBe(expected);
    expect(normal(expected)).toBe(expected);
  });

  test('every example that an error names', () => {
    for (const text of SYNTAX) expect(normal(text)).not.toBe('');
  });

  test.each([
    ...[
      '',
      ' ',
      '|',
      'gpu|',
      'foo',
      'foo>=1',
      'none',
      'kernel',
      'kernel=5',
      'kernel>=',
      'kernel>5',
    ],
    ...['kernel>=5.', 'kernel>=5.11-generic', 'kernel>=1.2.3.4.5', 'kernel>=1234567', 'kernel<='],
    ...['cpu', 'cpu=', 'cpu=avx2,', 'cpu=nonsense', 'cpu>=avx2', 'cpu=constructor', 'constructor'],
    ...[
      'memory',
      'memory=16G',
      'memory>=16P',
      'memory>=0',
      'memory>=1.5G',
      'memory<16G',
      'memory>=-1',
    ],
    ...['memory>=9007199254740992', 'memory>=9000000T', 'memory=unlimited', 'cpus>=8K', 'cpus>=0'],
    ...['gpu=', 'gpu=intel', 'gpu>=1', 'arch', 'arch=riscv64', 'arch=constructor', 'driver=525'],
    ...['cuda', 'cuda=12', 'cuda>=twelve', 'memlock<unlimited', 'memory>=1G\0', 'nofile>=64Ki'],
  ])('"%s" is refused', (text) => {
    expect(() => parseRequirement(text)).toThrow(refused(`the requirement "${text}" `));
  });

  test('an error says what is known', () => {
    const hint = (text: string) => {
      try {
        parseRequirement(text);
      } catch (error) {
        return (error as { hint: string }).hint;
      }
      return undefined;
    };
    expect(hint('glibc>=2.36')).toContain('kernel>=5.11, cpu=avx2,fma');
    expect(hint('cpu=avx3')).toContain('avx2');
    expect(hint('cuda>=99')).toContain('driver>=');
  });

  test('one that would not fit is refused', () => {
    const long = Array.from({ length: 200 }, (_, index) => `kernel>=${index}`).join('|');
    expect(() => parseRequirement(long)).toThrow(refused('at most 1024 fit'));
  });

  test('features of different CPUs in one are refused', () => {
    expect(() => parseRequirement('cpu=avx2,neon')).toThrow(refused('different CPUs'));
  });
});

test('the drivers of CUDA ascend with it', () => {
  for (const [index, [cuda, driver]] of CUDA_DRIVERS.entries()) {
    const [olderCuda, olderDriver] = CUDA_DRIVERS[index - 1] ?? ['0', '0'];
    expect(compareVersions(cuda, olderCuda)).toBeGreaterThan(0);
    expect(compareVersions(driver, olderDriver)).toBeGreaterThan(0);
  }
});

describe('the requirements of a bundle', () => {
  const env = ['PATH=/bin', 'NVIDIA_REQUIRE_CUDA=cuda>=12.0 brand=tesla,driver>=470,driver<471'];
  const own = {
    text: 'driver=none|driver>=470,<471|driver>=525.60.13',
    from: 'NVIDIA_REQUIRE_CUDA',
    notChecked: ['brand=tesla'],
  };

  test("the image's come first, then what was asked for, each once", () => {
    const changes = parseRequirements(['memory>=1G', 'memory>=1024M', own.text, 'gpu']);
    expect(bundleRequirements(changes, { env }, 'x86_64')).toEqual([
      own,
      { text: 'memory>=1G' },
      { text: 'gpu' },
    ]);
  });

  test('none drops what the image asks for and nothing else, wherever it stands', () => {
    const changes = parseRequirements(['gpu', 'none']);
    expect(bundleRequirements(changes, { env }, 'x86_64')).toEqual([{ text: 'gpu' }]);
  });

  test('those of a bundle replace what its environment says', () => {
    const carried = [{ text: 'kernel>=6' }];
    expect(bundleRequirements(parseRequirements([]), { env, carried }, 'x86_64')).toEqual(carried);
    const dropped = bundleRequirements(parseRequirements(['none']), { env, carried }, 'x86_64');
    expect(dropped).toEqual([]);
  });

  test('features go to the platforms that have such CPUs', () => {
    const changes = parseRequirements(['cpu=avx2', 'cpu=sve|cpu=avx512f', 'cpu=neon', 'gpu']);
    const texts = (architecture: 'x86_64' | 'aarch64') =>
      bundleRequirements(changes, { env: [] }, architecture).map(({ text }) => text);
    expect(texts('x86_64')).toEqual(['cpu=avx2', 'cpu=avx512f', 'gpu']);
    expect(texts('aarch64')).toEqual(['cpu=sve', 'cpu=asimd', 'gpu']);
    assertPossible(changes, ['x86_64', 'aarch64']);
  });

  test('what no machine of the bundle could meet is refused', () => {
    const check = (text: string, ...architectures: ('x86_64' | 'aarch64')[]) =>
      assertPossible(parseRequirements([text]), architectures);
    expect(() => check('cpu=neon', 'x86_64')).toThrow(refused('the bundle is for x86_64'));
    expect(() => check('arch=arm64', 'x86_64')).toThrow(refused('cannot be met'));
    expect(() => check('arch=arm64', 'x86_64', 'aarch64')).toThrow(refused('cannot be met'));
    check('arch=arm64', 'aarch64');
    check('arch=arm64|arch=amd64', 'x86_64', 'aarch64');
    check('cpu=neon|gpu', 'x86_64');
  });

  test('a bundle as a source: as its launch config says, described as in its manifest', () => {
    const described = [own, { from: 'NVIDIA_REQUIRE_X', notChecked: ['y'] }, { text: 'gpu' }];
    expect(carriedRequirements([own.text, 'kernel>=6'], described, 'reading x')).toEqual([
      own,
      { from: 'NVIDIA_REQUIRE_X', notChecked: ['y'] },
      { text: 'kernel>=6' },
    ]);
    expect(() => carriedRequirements(['quantum>=2'], [], 'reading x')).toThrow(
      expect.objectContaining({
        code: 'E_UNSUPPORTED',
        message: expect.stringContaining('reading x: it needs "quantum>=2"'),
      }),
    );
  });
});
