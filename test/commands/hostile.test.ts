import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { image, makeWorkspace, rundle, type Workspace } from './support/rundle.js';

/** Everything that means something to some shell, template, table or terminal. */
const EVIL = `'"\\ \`touch PWNED\` $(touch PWNED) \${HOME} {{name}} {{{x}}} \n; touch PWNED #\ttäglich %s \r\x1b[31m`;

let place: Workspace;
let source: string;
beforeAll(() => {
  place = makeWorkspace();
  source = image(
    place,
    'image',
    [
      { name: 'bin/', type: '5', mode: 0o755 },
      { name: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 },
      { name: 'bin/sh', type: '2', linkName: 'busybox' },
      { name: 'bin/env', type: '2', linkName: 'busybox' },
      { name: `opt/${EVIL}`.slice(0, 90), content: '' },
    ],
    { config: { Labels: { [EVIL]: EVIL }, Env: [`IMAGE=${EVIL}`, 'PATH=/bin'], User: EVIL } },
  );
});
afterAll(() => place.remove());

it('no value of an image or of the command line can break the bundle or run', async () => {
  const directory = place.path(EVIL.replaceAll('/', ''));
  mkdirSync(directory);
  const cmd = JSON.stringify([
    'sh',
    '-c',
    'printf "%s\\0" "$@" "$IMAGE" "$MINE" "$PWD"',
    EVIL,
    EVIL,
  ]);
  const built = await rundle(
    place,
    [
      ...['build', source, '-o', `${EVIL}.run`, '--json', '--cmd', cmd, '--desc', EVIL],
      ...['--env', `MINE=${EVIL}`, '--label', `mine=${EVIL}`, '--workdir', `/${EVIL}`],
    ],
    { cwd: directory },
  );
  expect(built).toMatchObject({ status: 0, stderr: '' });
  const { manifest } = JSON.parse(built.stdout);
  expect(manifest).toMatchObject({
    name: EVIL,
    description: EVIL,
    labels: { [EVIL]: EVIL, mine: EVIL },
    config: { workdir: `/${EVIL}`, env: [`IMAGE=${EVIL}`, 'PATH=/bin', `MINE=${EVIL}`] },
  });
  const bundle = `./${EVIL}.run`;
  const printed = execFileSync(bundle, {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, HOME: '/somewhere' },
  });
  // The launcher substitutes variables of the host in environment values, as Enroot does; nothing else.
  const substituted = EVIL.replace('${HOME}', '/somewhere');
  expect(printed.split('\0')).toEqual([EVIL, substituted, substituted, `/${EVIL}`, '']);

  const inspected = await rundle(place, ['inspect', '--check', bundle], { cwd: directory });
  expect(inspected.status).toBe(0);
  expect(inspected.stdout).not.toMatch(/[^\n\P{Cc}]/u);
  const unpacked = await rundle(place, ['unpack', bundle, EVIL], { cwd: directory });
  expect(unpacked.status).toBe(0);
  // Enroot's way to start it must do the same: the labels are comments, the words are quoted.
  const rc = readFileSync(`${directory}/${EVIL}/etc/rc`, 'utf8');
  expect(execFileSync('sh', ['-n'], { input: rc, encoding: 'utf8' })).toBe('');
  expect(readFileSync(`${directory}/${EVIL}/etc/environment`, 'utf8')).toBe('PATH=/bin\n');
  for (const where of [
    place.directory,
    directory,
    `${directory}/${EVIL}`,
    `${directory}/${EVIL}/${EVIL}`,
  ]) {
    expect(readdirSync(where)).not.toContain('PWNED');
  }
  expect(existsSync('PWNED')).toBe(false);
});
