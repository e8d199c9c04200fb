import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBundle } from '#rundle/bundle/read.js';
import {
  image,
  makeWorkspace,
  rundle,
  smallTree,
  type Workspace,
} from '../commands/support/rundle.js';
import { run } from './support/scratch.js';

/*
 * podman's service with a storage of its own stands for every engine: it speaks Docker's API and podman's.
 */
let place: Workspace;
let socket: string;
let service: ChildProcess;
let env: Record<string, string>;

const storage = () => [
  ...['--root', place.path('storage'), '--runroot', place.path('run')],
  ...['--tmpdir', place.path('libpod'), '--storage-driver', 'vfs'],
];

function ping(): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request({ socketPath: socket, path: '/_ping' }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on('error', () => resolve(false));
    asked.end();
  });
}

beforeAll(async () => {
  place = makeWorkspace();
  socket = place.path('engine.sock');
  env = { DOCKER_HOST: `unix://${socket}`, CONTAINER_HOST: `unix://${socket}` };
  const source = image(place, 'layout', smallTree, {
    architecture: 'amd64',
    config: { Cmd: ['/bin/app'], Env: ['A=1'], Labels: { a: 'b' } },
  });
  run('skopeo', 'copy', '-q', source, `docker-archive:${place.path('saved')}:example.org/one:v1`);
  run('podman', ...storage(), 'load', '-q', '-i', place.path('saved'));
  run('podman', ...storage(), 'tag', 'example.org/one:v1', 'localhost/local');
  const options = ['system', 'service', '--time', '0', `unix://${socket}`];
  service = spawn('podman', [...storage(), ...options], { stdio: 'ignore' });
  while (!(await ping())) {
    if (service.exitCode !== null) throw new Error('podman system service has ended');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
});
afterAll(async () => {
  if (service?.exitCode === null) {
    service.kill();
    await once(service, 'exit');
  }
  place.remove();
});

/** Builds `app.run` in a directory of its own and gives what is in it. */
let count = 0;
async function built(source: string) {
  count += 1;
  mkdirSync(place.path(`out-${count}`));
  const bundle = place.path(`out-${count}`, 'app.run');
  const ended = await rundle(place, ['build', source, '-q', '-o', bundle], { env });
  expect(ended).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(place.leftovers()).toEqual([]);
  return openBundle(bundle);
}

async function refused(source: string, ...args: string[]): Promise<string> {
  const ended = await rundle(place, ['build', source, '-q', '-o', 'none.run', ...args], { env });
  expect(ended.status).toBe(1);
  expect(place.leftovers()).toEqual([]);
  return ended.stderr;
}

describe('an image of an engine', () => {
  test.each(['docker-daemon', 'podman', 'containers-storage'])(
    '%s: is that of the archive, apart from the record of its source',
    async (transport) => {
      const expected = await built(`docker-archive:${place.path('saved')}`);
      const found = await built(`${transport}:example.org/one:v1`);
      const payload = ({ sections }: typeof found) => sections.find(({ kind }) => kind === 3);
      expect(payload(found)?.sha256).toBe(payload(expected)?.sha256);
      expect(found.launchConfigs).toEqual(expected.launchConfigs);
      const { provenance, ...rest } = found.manifest;
      const { provenance: archived, ...same } = expected.manifest;
      expect(rest).toEqual(same);
      expect(provenance).toEqual({ ...archived, transport, reference: 'example.org/one:v1' });
    },
  );

  test('is found by other names', async () => {
    const id = run('podman', ...storage(), 'image', 'inspect', '-f', '{{.Id}}', 'localhost/local');
    for (const source of ['podman:local', `podman:${id.trim()}`, `docker-daemon:${id.trim()}`]) {
      expect((await built(source)).manifest.labels).toEqual({ a: 'b' });
    }
  });

  test('can be unpacked, and names the bundle', async () => {
    const args = ['unpack', '-q', 'podman:local', 'tree'];
    expect((await rundle(place, args, { env })).status).toBe(0);
    const named = await rundle(place, ['build', 'podman:example.org/one:v1'], { env });
    expect(named.stdout).toMatch(/^one-v1\.run: /);
  });

  test('that is not there', async () => {
    expect(await refused('podman:example.org/none:v1')).toBe(
      'rundle: reading podman:example.org/none:v1: the podman service has no image of that name\n' +
        '  podman pull example.org/none:v1\n',
    );
    expect(await refused('docker-daemon:none')).toBe(
      'rundle: reading docker-daemon:none: the Docker engine has no image of that name\n' +
        '  docker pull none\n',
    );
  });

  test('for another platform', async () => {
    expect(await refused('podman:local', '--platform', 'linux/arm64')).toBe(
      'rundle: choosing an image for linux/arm64 in podman:local: it has linux/amd64\n' +
        '  an engine keeps one image of a name: podman pull --platform linux/arm64 local\n',
    );
    const both = 'linux/arm64,linux/amd64';
    expect(await refused('podman:example.org/one:v1', '--platform', both)).toBe(
      'rundle: choosing an image for linux/arm64 in podman:example.org/one:v1: it has linux/amd64\n' +
        '  an engine keeps one image of a name; a registry has all platforms: docker://example.org/one:v1\n',
    );
  });
});

describe('an engine that cannot be asked', () => {
  test('because it is not there', async () => {
    env = { ...env, DOCKER_HOST: `unix://${place.path('nothing')}` };
    expect(await refused('docker-daemon:one')).toBe(
      `rundle: reading docker-daemon:one: no Docker engine can be asked; tried ${place.path('nothing')} (there is no such socket)\n` +
        '  start it (sudo systemctl start docker), or name its socket with DOCKER_HOST\n',
    );
    writeFileSync(place.path('file'), '');
    env = { ...env, CONTAINER_HOST: `unix://${place.path('file')}` };
    expect(await refused('containers-storage:one')).toMatch(
      /no podman service can be asked; tried [^\n]*\/file \(nobody listens there\)\n {2}start it \(systemctl --user start podman\.socket\)/,
    );
  });

  test('because this user may not', async () => {
    chmodSync(place.directory, 0o755);
    mkdirSync(place.path('closed'), { mode: 0o700 });
    mkdirSync(place.path('open'));
    chmodSync(place.path('open'), 0o777);
    const closed = place.path('closed/engine.sock');
    const as = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'] as const;
    const ended = await rundle(place, ['build', 'docker-daemon:one', '-o', 'open/none.run'], {
      env: { DOCKER_HOST: `unix://${closed}`, TMPDIR: place.path('open') },
      through: (node, cli) => [...as, node, cli],
    });
    expect(ended.stderr).toBe(
      `rundle: reading docker-daemon:one: no Docker engine can be asked; tried ${closed} (permission denied)\n` +
        '  become a member of the group docker (sudo usermod -aG docker $USER, then log in again)\n',
    );
    expect(readdirSync(place.path('open'))).toEqual([]);
  });
});
