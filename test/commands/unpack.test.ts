import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listDirectory } from '../source/support/tree-listing.js';
import { image, makeWorkspace, rundle, smallTree, type Workspace } from './support/rundle.js';

let place: Workspace;
let source: string;
beforeAll(() => {
  place = makeWorkspace();
  source = image(
    place,
    'image',
    [
      ...smallTree,
      { name: 'null', type: '3', mode: 0o666, major: 1, minor: 3, mtime: 5 },
      { name: 'owned', content: 'x', uid: 1000, gid: 1001, mode: 0o4755, mtime: 6 },
      { name: 'locked/', type: '5', mode: 0o555, mtime: 7 },
      { name: 'locked/file', content: 'inside', mtime: 8 },
      { name: Buffer.from([0x6e, 0xff, 0x0a]), content: 'bytes', mtime: 9 },
      { name: 'attributes', content: '', mtime: 10, pax: [['SCHILY.xattr.user.note', 'kept']] },
    ],
    { config: { Cmd: ['/bin/app'], Env: ['A=1'] } },
  );
});
afterAll(() => place.remove());

const asUser = (node: string, cli: string): [string, ...string[]] => [
  'setpriv',
  '--reuid',
  '12345',
  '--regid',
  '12345',
  '--clear-groups',
  node,
  cli,
];

/** A directory that the ordinary user may write in, with a TMPDIR. */
function userPlace(name: string): { cwd: string; env: Record<string, string> } {
  const cwd = place.path(name);
  mkdirSync(`${cwd}/tmp`, { recursive: true });
  execFileSync('chown', ['-R', '12345:12345', cwd]);
  execFileSync('chmod', ['0755', place.directory]);
  return { cwd, env: { TMPDIR: `${cwd}/tmp` } };
}

describe('rundle unpack', () => {
  it('writes exactly what the source has, as umoci does', async () => {
    const { status, stdout, stderr } = await rundle(place, ['unpack', source, 'tree', '-q']);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
    const layout = source.slice('oci:'.length);
    execFileSync('umoci', ['unpack', '--image', `${layout}:latest`, place.path('judge')], {
      stdio: 'ignore',
    });
    expect(listDirectory(place.path('tree'))).toEqual(listDirectory(place.path('judge/rootfs')));
    expect(place.leftovers()).toEqual([]);
  });

  it('writes what a bundle has', async () => {
    await rundle(place, ['build', source, '-q', '-o', 'app.run']);
    const { status, stdout } = await rundle(place, ['unpack', './app.run', 'from-bundle']);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'from-bundle: unpacked\n' });
    expect(readFileSync(place.path('from-bundle/etc/environment'), 'utf8')).toBe('A=1\n');
    expect(listDirectory(place.path('from-bundle'))).toMatchObject(
      listDirectory(place.path('judge/rootfs')),
    );
  });

  it('lists what an ordinary user may not write, and goes on', async () => {
    const user = userPlace('user');
    const { status, stdout } = await rundle(place, ['unpack', source, 'tree'], {
      ...user,
      through: asUser,
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^left out: null: [^\n]+\ntree: unpacked\n$/);
    expect(readFileSync(`${user.cwd}/tree/owned`, 'utf8')).toBe('x');
    expect(existsSync(`${user.cwd}/tree/null`)).toBe(false);
    const json = await rundle(place, ['unpack', source, 'again', '--json'], {
      ...user,
      through: asUser,
    });
    expect(JSON.parse(json.stdout)).toEqual({
      schema: 1,
      directory: 'again',
      leftOut: [{ path: 'null', what: expect.any(String) }],
    });
  });

  it('accepts an empty directory and nothing else', async () => {
    mkdirSync(place.path('empty'));
    expect((await rundle(place, ['unpack', source, 'empty', '-q'])).status).toBe(0);
    const full = await rundle(place, ['unpack', source, 'empty']);
    expect(full).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(
        'rundle: unpacking to empty: it is not empty\n  name a directory that is missing or empty\n',
      ),
    });
    writeFileSync(place.path('file'), '');
    const file = await rundle(place, ['unpack', source, 'file']);
    expect(file.stderr).toMatch(/^rundle: unpacking to file: ENOTDIR/m);
    const nowhere = await rundle(place, ['unpack', source, 'a/b']);
    expect(nowhere.stderr).toMatch(/^rundle: unpacking to a\/b: .*'\.\/a\/b'/m);
    expect(nowhere.status).toBe(1);
  });

  it('refuses a bundle that is none, and a missing one', async () => {
    const none = await rundle(place, ['unpack', '/bin/true', 'out']);
    expect(none).toMatchObject({ status: 1, stderr: expect.stringMatching(/^rundle: /) });
    const missing = await rundle(place, ['unpack', 'missing.run', 'out']);
    expect(missing.stderr).toMatch(/^rundle: reading missing\.run: ENOENT/);
    expect(existsSync(place.path('out'))).toBe(false);
  });

  it('takes back what it wrote when the bundle is damaged', async () => {
    await rundle(place, ['build', source, '-q', '-o', 'whole.run', '--block-size', '4K']);
    const bytes = readFileSync(place.path('whole.run'));
    const { stdout } = await rundle(place, ['inspect', '--json', 'whole.run']);
    const payload = JSON.parse(stdout).sections.find((one: { kind: number }) => one.kind === 3);
    bytes.fill(0xff, payload.offset + 96, payload.offset + payload.size - 2000);
    writeFileSync(place.path('damaged.run'), bytes);
    mkdirSync(place.path('there'));
    for (const directory of ['there', 'not-there']) {
      const { status, stderr } = await rundle(place, ['unpack', 'damaged.run', directory]);
      expect(status).toBe(1);
      expect(stderr).toMatch(new RegExp(`^rundle: unpacking to ${directory}: .`));
    }
    expect(readdirSync(place.path('there'))).toEqual([]);
    expect(existsSync(place.path('not-there'))).toBe(false);
  });

  it('needs no executable TMPDIR beside the one it says', async () => {
    const mount = place.path('noexec');
    mkdirSync(mount);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'noexec', 'tmpfs', mount]);
    try {
      const { status, stderr } = await rundle(place, ['unpack', './app.run', 'x'], {
        env: { TMPDIR: mount },
      });
      expect(status).toBe(1);
      expect(stderr).toMatch(/^rundle: starting the launcher .*EACCES/);
      expect(stderr).toContain('  set TMPDIR to a directory that can execute programs\n');
      expect(readdirSync(mount)).toEqual([]);
    } finally {
      execFileSync('umount', [mount]);
    }
  });
});

describe('rundle inspect', () => {
  it('shows names that are not text, and what was left out', async () => {
    const hostile = image(
      place,
      'hostile',
      [
        ...smallTree,
        {
          name: 'acl',
          content: '',
          pax: [['SCHILY.xattr.system.posix_acl_access', Buffer.from([2, 0, 0, 0])]],
        },
        { name: 'old', content: '', mtime: -5, pax: [['mtime', '-5']] },
      ],
      { config: { Labels: { 'a\x1b[2J': '\u202e\n' } } },
    );
    const built = await rundle(place, ['build', hostile, '-o', 'hostile.run']);
    expect(built.stderr).toMatch(
      /rundle: \d things left out or changed; rundle inspect hostile\.run lists what\n/,
    );
    const { stdout } = await rundle(place, ['inspect', 'hostile.run']);
    expect(stdout).toContain('  a\\x1b[2J=\\u202e\\x0a\n');
    expect(stdout).toMatch(/Left out or changed \(\d\)\n {2}acl: [^\n]+ACL/);
    expect(stdout).toMatch(/\n {2}old: [^\n]*1970/);
  });

  it('finds one changed byte with --check', async () => {
    const bytes = readFileSync(place.path('app.run'));
    const { stdout: listing } = await rundle(place, ['inspect', '--json', 'app.run']);
    const payload = JSON.parse(listing).sections.find((one: { kind: number }) => one.kind === 3);
    const at = payload.offset + payload.size - 1;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(place.path('changed.run'), bytes);
    expect((await rundle(place, ['inspect', 'changed.run'])).status).toBe(0);
    const { status, stderr, stdout } = await rundle(place, ['inspect', '--check', 'changed.run']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^rundle: checking changed\.run: payload: /m);
    const json = await rundle(place, ['inspect', '--check', '--json', 'changed.run']);
    expect(JSON.parse(json.stderr).error).toMatchObject({ code: 'E_BUNDLE' });
  });

  it('tells a truncated bundle with both sizes', async () => {
    const bytes = readFileSync(place.path('app.run'));
    writeFileSync(place.path('short.run'), bytes.subarray(0, -1));
    const { status, stderr } = await rundle(place, ['inspect', 'short.run']);
    expect(status).toBe(1);
    expect(stderr).toContain(String(bytes.length));
    expect(stderr).toContain(String(bytes.length - 1));
  });
});
