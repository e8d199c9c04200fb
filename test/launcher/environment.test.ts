import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFront, type Front } from './support/front.js';

let front: Front;
beforeAll(() => {
  front = compileFront();
});
afterAll(() => front?.remove());

/** What the program would see, without what the test's own runner puts there. */
function environment(image: string[], argv: string[], host: Record<string, string>) {
  const config = front.config(...image.map((entry) => `env=${entry}`));
  const answer = front.run(['environment', config, ...argv], host);
  if (answer.environment === undefined) throw new Error(`${answer.fault}`);
  return Object.fromEntries(
    answer.environment.map((entry) => {
      const at = entry.indexOf('=');
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}

const always = {
  HOME: '/home/someone',
  USER: 'someone',
  LOGNAME: 'someone',
  TMPDIR: '/tmp',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
};

describe('what reaches the program', () => {
  test('from an empty environment', () => {
    expect(environment([], [], {})).toEqual(always);
  });

  test('the image’s, with ${VAR} from the host; later ones win', () => {
    const host = { WHO: 'me', EMPTY: '' };
    const image = ['A=1', 'B=${WHO}/${NONE}x$WHO${EMPTY}', 'A=2', 'PATH=/opt/bin', 'HOME=/root'];
    expect(environment(image, [], host)).toEqual({
      ...always,
      A: '2',
      B: 'me/x$WHO',
      PATH: '/opt/bin',
    });
  });

  test('families of this run, and nothing else of the host', () => {
    const passed = {
      TERM: 'xterm',
      LC_ALL: 'C.UTF-8',
      https_proxy: 'http://proxy:1',
      SLURM_JOB_ID: '1',
      PMI_RANK: '2',
      PMIX_RANK: '3',
      OMPI_COMM_WORLD_RANK: '4',
      OMP_NUM_THREADS: '5',
      CUDA_VISIBLE_DEVICES: '6',
      UCX_TLS: 'sm',
      PSM2_DEVICES: 'self',
      FLUX_URI: 'local',
      MPI_LOCALRANKID: '0',
    };
    const kept = {
      LD_LIBRARY_PATH: '/x',
      SECRET: 'x',
      TERMINAL: 'x',
      LANGUAGES: 'x',
      XOMP_NUM_THREADS: 'x',
      OMP: 'x',
      CUDA_HOME: '/usr/local/cuda-12',
      I_MPI_ROOT: '/opt/intel',
      SSH_AUTH_SOCK: '/x',
      PATH: '/host/bin',
      TMPDIR: '/host/tmp',
      ENROOT_REMAP_ROOT: 'n',
    };
    expect(environment([], [], { ...passed, ...kept })).toEqual({ ...always, ...passed });
  });

  test('a family’s value of the host wins over the image’s', () => {
    const seen = environment(['OMP_NUM_THREADS=1', 'CUDA_VERSION=12.2'], [], {
      OMP_NUM_THREADS: '8',
      CUDA_VERSION: '11',
    });
    expect(seen).toMatchObject({ OMP_NUM_THREADS: '8', CUDA_VERSION: '12.2' });
  });

  test('--clean-env: nothing of the host, but what the options say', () => {
    const host = { TERM: 'xterm', OMP_NUM_THREADS: '8', WANTED: 'w' };
    expect(environment(['A=1'], ['--clean-env', '-e', 'WANTED'], host)).toEqual({
      ...always,
      A: '1',
      WANTED: 'w',
    });
  });

  test('--inherit-env: all of the host, under the image’s; PATH and TMPDIR are the inside’s', () => {
    const host = {
      ANY: 'host',
      A: 'host',
      PATH: '/host',
      TMPDIR: '/host',
      PWD: '/host',
      HOME: '/host',
    };
    const seen = environment(['A=image'], ['--inherit-env'], host);
    expect(seen).toMatchObject({ ...always, ANY: 'host', A: 'image' });
    expect(seen).not.toHaveProperty('PWD');
  });

  test('--conf, then --env-file, then --env', () => {
    const conf = front.file('conf', 'env A=conf\nenv B=conf ${WHO}\nenv C=conf\n');
    const file = front.file(
      'file',
      '\ufeff# comment\n\n  B=file ${WHO}\nC="file"\r\nWHO\nUNKNOWN\n',
    );
    const seen = environment(
      ['A=image'],
      ['-c', conf, '--env-file', file, '-e', 'C=', '-e', 'PATH=/p'],
      {
        WHO: 'me',
      },
    );
    expect(seen).toEqual({
      ...always,
      A: 'conf',
      B: 'file ${WHO}',
      C: '',
      WHO: 'me',
      PATH: '/p',
    });
  });

  test('a name alone that the host does not have is not set, whatever the image says', () => {
    expect(environment(['A=1', 'HOST=1'], ['-e', 'A', '-e', 'HOST'], { HOST: 'h' })).toEqual({
      ...always,
      HOST: 'h',
    });
  });

  test.each([
    [['-e', '=x'], 'names no variable'],
    [['-e', ''], 'names no variable'],
    [['--env-file', '/no/such'], '/no/such'],
  ])('%j is refused: %s', (argv, word) => {
    const answer = front.run(['environment', front.config(), ...argv]);
    expect(answer.status).toBe(1);
    expect(answer.fault).toContain(word);
  });

  test('a line of an environment file that is none is named with its number', () => {
    const file = front.file('file', 'A=1\nexport B=2\n');
    expect(front.run(['environment', front.config(), '--env-file', file]).fault).toContain(
      'line 2',
    );
  });

  test('50,000 variables are no matter', () => {
    const file = front.file(
      'file',
      Array.from({ length: 50_000 }, (_, index) => `V${index % 25_000}=${index}\n`).join(''),
    );
    const seen = environment([], ['--env-file', file], {});
    expect(seen.V0).toBe('25000');
    expect(Object.keys(seen)).toHaveLength(25_000 + Object.keys(always).length);
  });

  test('bytes that are not UTF-8 stay as they are', () => {
    const bytes = Buffer.concat([Buffer.from('A=\xff\xfe\n', 'latin1')]);
    const file = front.file('file', bytes);
    expect(environment([], ['--env-file', file], {}).A).toBe('\udcff\udcfe');
  });
});

describe('${VAR}', () => {
  const substitute = (text: string, host: Record<string, string>) =>
    front.run(['substitute', text], host).result;

  test.each([
    ['${A}', 'one'],
    ['x${A}y${A}', 'xoneyone'],
    ['${NONE}', ''],
    ['$A ${A:-x} ${1} ${} ${A', '$A ${A:-x} ${1} ${} ${A'],
    ['$${A}', '$one'],
    ['${B}', '${A}'],
    ['${${A}}', '${one}'],
    ['$(id) `id`', '$(id) `id`'],
  ])('%s gives %s', (text, expected) => {
    expect(substitute(text, { A: 'one', B: '${A}' })).toBe(expected);
  });

  test('as the rule written in one line', () => {
    const host: Record<string, string> = { A: 'a', _b2: '${A}', LONG_NAME: '' };
    const piece = fc.constantFrom(
      '$',
      '{',
      '}',
      'A',
      '_b2',
      'LONG_NAME',
      '${A}',
      '${_b2}',
      ' ',
      '1',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 10 }).map((parts) => parts.join('')),
        (text) => {
          const expected = text.replace(
            /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g,
            (_, name: string) => host[name] ?? '',
          );
          expect(substitute(text, host)).toBe(expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('what would grow without bound is refused', () => {
    const answer = front.run(['substitute', '${A}'.repeat(200)], { A: 'x'.repeat(10_000) });
    expect(answer.fault).toContain('cannot substitute');
  });
});
