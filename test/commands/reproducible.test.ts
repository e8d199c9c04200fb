import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  image,
  makeWorkspace,
  type RunOptions,
  rundle,
  smallTree,
  type Workspace,
} from './support/rundle.js';

let place: Workspace;
let source: string;
beforeAll(() => {
  place = makeWorkspace();
  const many = Array.from({ length: 60 }, (_, number) => ({
    name: `many/${number}`,
    content: `${number} `.repeat(3000 * (number % 7)),
    mtime: 1_700_000_000 + number,
  }));
  source = image(place, 'image', [...smallTree, ...many], {
    config: { Cmd: ['/bin/app'], Labels: { z: '1', a: '2' }, Env: ['B=1', 'A=2'] },
  });
  writeFileSync(place.path('copied'), 'copied');
  utimesSync(place.path('copied'), 1_650_000_000, 1_650_000_000);
  mkdirSync(place.path('elsewhere dir'));
});
afterAll(() => place.remove());

let count = 0;
async function digest(options: RunOptions = {}, ...args: string[]): Promise<string> {
  count += 1;
  mkdirSync(place.path(`out-${count}`));
  const output = place.path(`out-${count}`, 'app.run');
  const copy = `${place.path('copied')}:/opt/copied`;
  const { status, stderr } = await rundle(
    place,
    [
      'build',
      source,
      '-q',
      '-o',
      output,
      '--block-size',
      '64K',
      '--copy',
      copy,
      '--mount',
      '/data:/data',
      ...args,
    ],
    options,
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return createHash('sha256').update(readFileSync(output)).digest('hex');
}

describe('the same input', () => {
  it('gives the same bytes, wherever, whenever and however it is built', async () => {
    const first = await digest();
    const surroundings: Record<string, RunOptions> = {
      'a later second': {},
      'another directory': { cwd: place.path('elsewhere dir') },
      'another time zone and language': {
        env: { TZ: 'Pacific/Kiritimati', LC_ALL: 'tr_TR.UTF-8', LANG: 'C' },
      },
      'another umask': {
        through: (node, cli) => ['sh', '-c', 'umask 0777; exec "$0" "$@"', node, cli],
      },
      'one worker': { env: { RUNDLE_WORKERS: '1' } },
      'seven workers': { env: { RUNDLE_WORKERS: '7' } },
      'other variables': { env: { USER: 'x', LOGNAME: 'y', HOSTNAME: 'z' } },
    };
    for (const [name, options] of Object.entries(surroundings)) {
      expect(await digest(options), name).toBe(first);
    }
  });

  it('as an ordinary user too', async () => {
    const first = await digest();
    chmodSync(place.directory, 0o777);
    mkdirSync(place.path('user-tmp'));
    chmodSync(place.path('user-tmp'), 0o777);
    const { status, stderr } = await rundle(
      place,
      [
        'build',
        source,
        '-q',
        '-o',
        'user-tmp/app.run',
        '--block-size',
        '64K',
        '--mount',
        '/data:/data',
        '--copy',
        `${place.path('copied')}:/opt/copied`,
      ],
      {
        env: { TMPDIR: place.path('user-tmp') },
        through: (node, cli) => [
          'setpriv',
          '--reuid',
          '12345',
          '--regid',
          '12345',
          '--clear-groups',
          node,
          cli,
        ],
      },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const bytes = readFileSync(place.path('user-tmp/app.run'));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(first);
    expect(statSync(place.path('user-tmp/app.run')).uid).toBe(12345);
  });

  it('gives other bytes with another option', async () => {
    expect(await digest({}, '--env', 'C=3')).not.toBe(await digest());
  });
});

describe('SOURCE_DATE_EPOCH', () => {
  const times = async (epoch?: string) => {
    count += 1;
    const [bundle, tree] = [place.path(`epoch-${count}.run`), place.path(`epoch-${count}`)];
    const copy = `${place.path('copied')}:/copied`;
    const env: Record<string, string> = epoch === undefined ? {} : { SOURCE_DATE_EPOCH: epoch };
    await rundle(place, ['build', source, '-q', '-o', bundle, '--copy', copy], { env });
    expect((await rundle(place, ['unpack', '-q', bundle, tree])).status).toBe(0);
    const time = (path: string) => statSync(`${tree}/${path}`).mtimeMs / 1000;
    return { rc: time('etc/rc'), copied: time('copied'), image: time('text'), proc: time('proc') };
  };

  it('is the time of what the build adds, and caps copied files, not the image', async () => {
    expect(await times()).toEqual({ rc: 0, copied: 1_650_000_000, image: 1_700_000_002, proc: 0 });
    expect(await times('1600000000')).toEqual({
      rc: 1_600_000_000,
      copied: 1_600_000_000,
      image: 1_700_000_002,
      proc: 1_600_000_000,
    });
    expect((await times('1800000000')).copied).toBe(1_650_000_000);
  });
});
