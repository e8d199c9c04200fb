import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFront, encodeConfig, type Front, least } from './support/front.js';

let front: Front;
beforeAll(() => {
  front = compileFront();
});
afterAll(() => front?.remove());

const parse = (bytes: Buffer) => front.run(['config', front.file('launch-config', bytes)]);
const without = (key: string) => least.filter((entry) => !entry.startsWith(`${key}=`));

describe('launch config', () => {
  test('every key', () => {
    const answer = parse(
      encodeConfig([
        ...least,
        'entrypoint=/bin/sh',
        'entrypoint=',
        'entrypoint=-c=x',
        'cmd=a b\nc',
        'env=A=1=2',
        'env=B=',
        'workdir=/w',
        'rc=1',
        'mount=/a:/b',
        'target=${HOME}/x',
        'mount-home=1',
        'mount-cwd=0',
        'unknown-key=ignored',
      ]),
    );
    expect(answer).toMatchObject({
      status: 0,
      arch: 'x86_64',
      payload: 0,
      root: '/',
      size: 1000,
      inodes: 3,
      name: 'app',
      entrypoint: ['/bin/sh', '', '-c=x'],
      cmd: ['a b\nc'],
      env: ['A=1=2', 'B='],
      workdir: '/w',
      rc: true,
      mounts: ['/a:/b'],
      target: '${HOME}/x',
      mountHome: true,
      mountCwd: false,
    });
  });

  test('the defaults', () => {
    expect(parse(encodeConfig(least))).toMatchObject({ workdir: '/', rc: false, entrypoint: [] });
  });

  test.each(least.map((entry) => entry.split('=')[0] ?? ''))('without %s: refused', (key) => {
    expect(parse(encodeConfig(without(key))).fault).toContain(`no ${key}`);
  });

  test.each([
    'arch=riscv64',
    'payload=-1',
    'payload=4294967296',
    'payload=00',
    'payload=',
    'root=relative',
    'id=short',
    `id=${'AB'.repeat(32)}`,
    'size=18446744073709551616',
    'size=1e3',
    'inodes= 3',
    'name=a/b',
    'name=..',
    'name=',
    'workdir=relative',
    'rc=yes',
    'env=novalue',
    'env==x',
    'target=',
    'mount-home=2',
  ])('%s is refused', (entry) => {
    const answer = parse(encodeConfig([...without(entry.split('=')[0] ?? ''), entry]));
    expect(answer.status).toBe(1);
    expect(answer.fault).toContain('launch config is damaged');
  });

  test('the largest numbers', () => {
    expect(parse(encodeConfig([...without('payload'), 'payload=4294967295'])).payload).toBe(
      2 ** 32 - 1,
    );
    expect(parse(encodeConfig([...without('size'), 'size=18446744073709551615'])).status).toBe(0);
  });

  test('a single key twice, an entry without =, no end, nothing, too much: refused', () => {
    expect(parse(encodeConfig([...least, 'name=b'])).fault).toContain('two values of name');
    expect(parse(encodeConfig([...least, 'word'])).fault).toContain("'word'");
    expect(parse(encodeConfig([...least, '=x'])).status).toBe(1);
    expect(parse(encodeConfig([...least, ''])).status).toBe(1);
    expect(parse(encodeConfig(least).subarray(0, -1)).fault).toContain('without an end');
    expect(parse(Buffer.alloc(0)).status).toBe(1);
    expect(parse(encodeConfig([...least, `x=${'y'.repeat(1 << 20)}`])).status).toBe(1);
  });

  test('an unknown key that begins with ! asks for a newer launcher', () => {
    const answer = parse(encodeConfig([...least, '!tree-format=2']));
    expect(answer.fault).toContain('newer launcher');
    expect(answer.fault).toContain('!tree-format=2');
  });

  test('mutated bytes are understood or refused, never more', () => {
    const sound = encodeConfig([...least, 'env=A=1', 'cmd=x', 'rc=1']);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(sound.length - 1), fc.integer({ min: 0, max: 255 })), {
          maxLength: 6,
        }),
        fc.nat(sound.length),
        (changes, cut) => {
          const bytes = Buffer.from(sound);
          for (const [at, value] of changes) bytes[at] = value;
          expect([0, 1]).toContain(parse(bytes.subarray(0, cut || sound.length)).status);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('--conf', () => {
  const read = (
    content: string | Buffer,
    environment: Record<string, string> = {},
    ...more: string[]
  ) => front.run(['options', '-c', front.file('conf', content), ...more], environment);

  test('settings, env and mount lines; comments and blank lines', () => {
    const answer = read(
      '\ufeff#! /usr/bin/enroot batch\n#ENROOT_REMAP_ROOT=y\n#ENROOT_ROOTFS=image.sqsh\n# a comment\n\n' +
        '#ENROOT_UNSHARE_NET="yes"\n  env A=1 2 \r\nenv\tB\nmount /a b:/c d\n#SBATCH -n 4\n',
    );
    expect(answer).toMatchObject({
      status: 0,
      options: { root: true, net: true },
      configuredEnv: ['A=1 2', 'B'],
      configuredMounts: ['/a b:/c d'],
    });
  });

  test.each([
    ['environ() {\n', '--env'],
    ['function mounts {\n', '--mount'],
    ['rc () { exec sh; }\n', '--rc'],
    ['hooks() {\n', 'before the start'],
    ['touch /tmp/x\n', "'env KEY=VAL'"],
    ['ENROOT_REMAP_ROOT=y\n', '#ENROOT_X=y'],
    ['export A=1\n', "'env KEY=VAL'"],
    ['environment A=1\n', "'env KEY=VAL'"],
  ])('%j is refused with a word about %s', (content, word) => {
    const answer = read(`# first line\n${content}`);
    expect(answer.status).toBe(1);
    expect(answer.fault).toContain('line 2');
    expect(answer.fault).toContain('nothing is executed');
    expect(answer.hint).toContain(word);
  });

  test('a missing file, a directory, NULs, over 1 MiB: refused by name', () => {
    for (const path of ['/no/such/file', '/etc']) {
      expect(front.run(['options', '-c', path]).fault).toContain(path);
    }
    expect(read(Buffer.from('env A=\0\n')).fault).toContain('no text file');
    expect(read(`#${'x'.repeat(1 << 20)}`).fault).toContain('no text file');
  });

  test('a file without a last line end', () => {
    expect(read('env A=1').configuredEnv).toEqual(['A=1']);
    expect(read('').status).toBe(0);
  });

  test('settings of the environment; a file overrides them, the command line both', () => {
    const host = {
      ENROOT_ROOTFS_WRITABLE: 'Yes',
      ENROOT_REMAP_ROOT: '1',
      ENROOT_TEMP_PATH: '/scratch',
    };
    expect(read('', host)).toMatchObject({
      options: { rw: true, root: true },
      temporary: '/scratch',
    });
    expect(read('#ENROOT_REMAP_ROOT=n\n', host).options).not.toHaveProperty('root');
    expect(read('#ENROOT_REMAP_ROOT=n\n', host, '-r').options).toHaveProperty('root', true);
    expect(read('', { ENROOT_MOUNT_HOME: '' }).options).not.toHaveProperty('mount-home');
    expect(read('', { ENROOT_LOGIN_SHELL: 'whatever' }).status).toBe(0);
  });

  test.each([
    ['ENROOT_REMAP_ROOT', 'root'],
    ['ENROOT_ROOTFS_WRITABLE', 'rw'],
    ['ENROOT_MOUNT_HOME', 'mount-home'],
    ['ENROOT_UNSHARE_PID', 'pid'],
    ['ENROOT_UNSHARE_NET', 'net'],
    ['ENROOT_UNSHARE_IPC', 'ipc'],
    ['ENROOT_UNSHARE_UTS', 'uts'],
  ])('%s turns on --%s', (name, option) => {
    expect(read('', { [name]: 'y' }).options).toHaveProperty(option, true);
    expect(read('', { [name]: 'n' }).options).not.toHaveProperty(option);
  });

  test('a value that is neither yes nor no is refused', () => {
    const answer = read('', { ENROOT_REMAP_ROOT: 'maybe' });
    expect(answer.fault).toContain("ENROOT_REMAP_ROOT has the value 'maybe'");
    expect(read('#ENROOT_UNSHARE_PID=2\n').status).toBe(1);
  });
});

describe('JSON that came with the bundle', () => {
  const walk = (text: string | Buffer) => front.run(['json', front.file('manifest', text)]);

  test('paths and values', () => {
    expect(
      walk('{"a":[1,-2.5e+3,{"b c":"\\u00e9\\ud83d\\ude00\\n\\/"}],"d":null,"e":{},"f":[]}'),
    ).toMatchObject({
      valid: true,
      members: { 'a.0': '1', 'a.1': '-2.5e+3', 'a.2.b c': 'é😀\n/', d: 'null' },
    });
  });

  test('JSON.parse and the walk agree on what is valid', () => {
    const pieces = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '"a"',
        '"',
        '\\',
        '\\u12',
        '1',
        '01',
        '-',
        '1.',
        '1e5',
        'true',
        'nul',
        ' ',
        '\n',
        '\t',
        '\x01',
      ],
    );
    const valid = (text: string) => {
      try {
        JSON.parse(text);
        return true;
      } catch {
        return false;
      }
    };
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join('')),
          fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)),
        ),
        (text) => {
          expect(walk(text).valid, text).toBe(valid(text));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('nesting and length have a limit, a long string has none', () => {
    expect(walk('['.repeat(100_000)).valid).toBe(false);
    expect(walk(`${'['.repeat(33)}${']'.repeat(33)}`).valid).toBe(false);
    expect(walk(`${'['.repeat(32)}${']'.repeat(32)}`).valid).toBe(true);
    expect(walk(JSON.stringify({ a: 'x'.repeat(10_000) })).valid).toBe(true);
  });
});

describe('the command that sets up a host', () => {
  test.each([
    ['./app.run', 'sudo ./app.run --setup-host'],
    ['/a b/$x.run', "sudo '/a b/$x.run' --setup-host"],
    ["/it's/app.run", "sudo '/it'\\''s/app.run' --setup-host"],
  ])('%s is named so that a shell takes it as it is', (path, command) => {
    const text = String(front.run(['setup', path]).result);
    expect(text).toBe(command);
    const printed = execFileSync('sh', ['-c', text.replace(/^sudo/, 'printf "%s|"')]);
    expect(printed.toString()).toBe(`${path}|--setup-host|`);
  });

  test('a path that is too long for a message is left to the reader', () => {
    const text = String(front.run(['setup', `/${'x'.repeat(4000)}`]).result);
    expect(text).toBe('sudo ./app.run --setup-host');
  });
});
