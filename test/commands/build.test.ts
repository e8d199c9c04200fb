import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { image, makeWorkspace, rundle, smallTree, type Workspace } from './support/rundle.js';

let place: Workspace;
let source: string;
beforeAll(() => {
  place = makeWorkspace();
  source = image(place, 'my-image', smallTree, {
    created: '2024-01-02T03:04:05Z',
    config: {
      Entrypoint: ['/bin/app'],
      Cmd: ['serve'],
      Env: ['PATH=/bin', 'MODE=image'],
      Labels: { maker: 'tests' },
      User: 'nobody',
      Volumes: { '/data': {} },
    },
  });
});
afterAll(() => place.remove());

const inspect = async (file: string) =>
  JSON.parse((await rundle(place, ['inspect', '--check', '--json', file])).stdout);

describe('rundle build', () => {
  it('writes an executable file and says so in one line', async () => {
    const { status, stdout, stderr } = await rundle(place, ['build', source, '-o', 'plain.run']);
    expect(stderr).toMatch(/^(rundle: (layers|packing): [^\n]+\n){2}$/);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^plain\.run: [\d.]+ kB in [\d.]+ s\n$/),
    });
    expect(statSync(place.path('plain.run')).mode & 0o7777).toBe(0o755);
    expect(place.leftovers()).toEqual([]);
    expect((await inspect('plain.run')).manifest).toMatchObject({
      name: 'plain',
      created: '2024-01-02T03:04:05Z',
      labels: { maker: 'tests' },
      overrides: [],
      config: {
        entrypoint: ['/bin/app'],
        cmd: ['serve'],
        env: ['PATH=/bin', 'MODE=image'],
        workdir: '/',
        user: 'nobody',
        volumes: ['/data'],
      },
    });
  });

  it('bakes in every override', async () => {
    writeFileSync(place.path('start.sh'), '#!/bin/sh\nexec /bin/app "$@"\n');
    writeFileSync(place.path('extra'), 'extra');
    const options = [
      ...['--entrypoint', '["/bin/app", "-v"]', '--cmd', 'run', '--workdir', '/work dir'],
      ...['--env', 'MODE=mine', '-e', 'FROM_ME', '--env', 'EMPTY='],
      ...['--label', 'maker=me', '--label', 'new=1', '--desc', 'A "quoted" $(text)'],
      ...[
        '--rc',
        'start.sh',
        '--copy',
        'extra:/opt/',
        '--mount',
        '/scratch:/scratch:ro',
        '-m',
        'tmpfs:/big',
      ],
      ...[
        '--target',
        '${HOME}/tree',
        '--mount-home',
        '--mount-cwd',
        '--level',
        '3',
        '--block-size',
        '128K',
      ],
    ];
    const { status, stderr, stdout } = await rundle(
      place,
      ['build', source, '-o', 'changed.run', '--json', ...options],
      { env: { FROM_ME: 'host value' } },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, file: 'changed.run' });
    const { manifest, start } = await inspect('changed.run');
    expect(manifest).toMatchObject({
      description: 'A "quoted" $(text)',
      labels: { maker: 'me', new: '1' },
      config: {
        entrypoint: ['/bin/app', '-v'],
        cmd: ['run'],
        env: ['PATH=/bin', 'MODE=mine', 'FROM_ME=host value', 'EMPTY='],
        workdir: '/work dir',
      },
      payload: { level: 3, blockSize: 131_072 },
    });
    expect(start).toMatchObject([{ rc: true, mountHome: true, mountCwd: true }]);
    expect(manifest.overrides).toContain('copy to /opt/');
    expect(JSON.stringify(manifest)).not.toContain(place.directory);
    const { stdout: text } = await rundle(place, ['inspect', 'changed.run']);
    for (const part of [
      '/scratch:/scratch:ro',
      'tmpfs:/big',
      '${HOME}/tree',
      '/etc/rc',
      'work dir',
    ]) {
      expect(text).toContain(part);
    }
    const unpacked = await rundle(place, ['unpack', 'changed.run', 'changed']);
    expect(unpacked.status).toBe(0);
    expect(readFileSync(place.path('changed/etc/rc'), 'utf8')).toContain('exec /bin/app');
    expect(readFileSync(place.path('changed/opt/extra'), 'utf8')).toBe('extra');
    for (const name of ['work dir', 'scratch', 'big', 'data', 'proc']) {
      expect(statSync(place.path('changed', name)).isDirectory(), name).toBe(true);
    }
  });

  it('names the output after the source', async () => {
    for (const [from, name] of [
      [source, 'my-image.run'],
      [`${source}:latest`, 'my-image.run'],
      ['dir:.', 'here.run'],
    ]) {
      const cwd = place.path('here');
      mkdirSync(cwd, { recursive: true });
      const { status, stderr } = await rundle(place, ['build', from ?? '', '-q', '--force'], {
        cwd,
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(existsSync(place.path('here', name ?? ''))).toBe(true);
    }
  });

  it('prints nothing with --quiet, one object with --json', async () => {
    const quiet = await rundle(place, ['build', source, '-o', 'quiet.run', '--quiet']);
    expect(quiet).toEqual({ status: 0, stdout: '', stderr: '' });
    const json = await rundle(place, ['build', source, '-o', 'json.run', '--json']);
    expect(json).toMatchObject({ status: 0, stderr: '' });
    const result = JSON.parse(json.stdout);
    const { manifest, sections, size, start } = await inspect('json.run');
    expect(result).toMatchObject({ manifest, sections, size, id: start[0].id });
  });

  it('shows a bar on a terminal and leaves nothing of it', async () => {
    const { status, stdout } = await rundle(place, ['build', source, '-o', 'bar.run'], {
      env: { TERM: 'xterm' },
      through: (node, cli) => ['python3', '-c', PTY, node, cli],
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/packing {2}\[=+\] 100%/);
    // The last thing drawn is the line that stays: the bar's is erased, and the cursor is back.
    const last = stdout.slice(stdout.lastIndexOf('\x1b[2K'));
    expect(last).toContain('bar.run: ');
    expect(stdout.lastIndexOf('\x1b[?25h')).toBeGreaterThan(stdout.lastIndexOf('\x1b[?25l'));
  });

  it('is quiet when nobody reads on', async () => {
    const shell = '"$0" "$@" | true; exec 2>&1; "$0" build --help | head -1';
    const { stderr, status } = await rundle(place, ['build', source, '-o', 'pipe.run', '--json'], {
      through: (node, cli) => ['sh', '-c', shell.replaceAll('"$0"', `"$0" "${cli}"`), node],
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    expect(existsSync(place.path('pipe.run'))).toBe(true);
  });
});

describe('an output', () => {
  it('that exists is left alone without --force, and replaced as a whole with it', async () => {
    writeFileSync(place.path('mine.run'), 'mine');
    const { status, stderr } = await rundle(place, ['build', source, '-o', 'mine.run']);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr:
        'rundle: writing mine.run: it exists already\n  use --force to replace it, or name another with -o\n',
    });
    expect(readFileSync(place.path('mine.run'), 'utf8')).toBe('mine');
    expect(await rundle(place, ['build', source, '-o', 'mine.run', '-fq'])).toMatchObject({
      status: 0,
    });
    expect(statSync(place.path('mine.run')).mode & 0o777).toBe(0o755);
  });

  it('that is a link is replaced itself', async () => {
    writeFileSync(place.path('precious'), 'precious');
    symlinkSync('precious', place.path('link.run'));
    expect(await rundle(place, ['build', source, '-o', 'link.run', '-fq'])).toMatchObject({
      status: 0,
    });
    expect(readFileSync(place.path('precious'), 'utf8')).toBe('precious');
  });

  it.each([
    ['missing/app.run', 'its directory does not exist'],
    ['precious-file/app.run', 'its directory is not a directory'],
    ['my-image', 'it is a directory'],
  ])('%s cannot be written', async (output, why) => {
    writeFileSync(place.path('precious-file'), '');
    const { status, stderr } = await rundle(place, ['build', source, '-f', '-o', output]);
    expect(status).toBe(1);
    expect(stderr.split('\n')[0]).toBe(`rundle: writing ${output}: ${why}`);
  });
});

/** Runs its arguments on a terminal of 80 columns and copies what is drawn there. */
const PTY = `
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        drawn = os.read(terminal, 65536)
    except OSError:
        break
    if not drawn:
        break
    sys.stdout.buffer.write(drawn)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
