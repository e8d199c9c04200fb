import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeWorkspace, rundle, type Workspace } from '../commands/support/rundle.js';
import { digestOf } from '../fixtures/image-builder.js';
import { contentsOf, startFakeRegistry } from '../registry/support/fake-registry.js';
import { sampleLayout } from '../registry/support/sample.js';
import { closeServers, type TestServer } from '../registry/support/server.js';

const SOURCE = 'docker://upstream.invalid/team/app:v1';

let place: Workspace;
let good: TestServer;
let empty: TestServer;
beforeEach(async () => {
  place = makeWorkspace();
  sampleLayout(place.path('layout'));
  good = await startFakeRegistry({ name: 'good' }, contentsOf(place.path('layout')));
  empty = await startFakeRegistry({ name: 'empty' }, { manifests: new Map(), blobs: new Map() });
});
afterEach(async () => {
  await closeServers();
  place.remove();
});

function configure(...lines: string[]): void {
  mkdirSync(place.path('.config/containers'), { recursive: true });
  writeFileSync(place.path('.config/containers/registries.conf'), `${lines.join('\n')}\n`);
}

const mirror = (host: string) => [
  '[[registry.mirror]]',
  `location = "${host}/test"`,
  'insecure = true',
];
const build = () => rundle(place, ['build', SOURCE, '-q', '-o', 'app.run']);

describe('a build through mirrors', () => {
  it('gets what skopeo gets by the same file', async () => {
    configure(
      '[[registry]]',
      'location = "upstream.invalid/team"',
      ...mirror(empty.host),
      ...mirror(good.host),
    );
    expect(await build()).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(empty.seen.length).toBeGreaterThan(0);
    const { stdout } = await rundle(place, ['inspect', 'app.run', '--json']);
    const { provenance } = JSON.parse(stdout).manifest;
    expect(provenance.reference).toBe('upstream.invalid/team/app:v1');
    // Not the synchronous one: the registries live in this process.
    const judged = await promisify(execFile)('skopeo', ['inspect', '--raw', SOURCE], {
      env: { PATH: process.env.PATH, HOME: place.directory },
    });
    expect(provenance.manifestDigest).toBe(digestOf(Buffer.from(judged.stdout)));
  });

  it('ends at the place that stands for the origin', async () => {
    configure(
      '[[registry]]',
      'prefix = "upstream.invalid/team"',
      `location = "${good.host}/test"`,
      'insecure = true',
      ...mirror(empty.host),
    );
    expect(await build()).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('names all of them when none has the image', async () => {
    configure(
      '[[registry]]',
      'prefix = "upstream.invalid/team"',
      `location = "${empty.host}/test"`,
      'insecure = true',
      ...mirror('127.0.0.1:1'),
    );
    const { status, stderr } = await build();
    expect(status).toBe(1);
    expect(stderr).toContain(empty.host);
    expect(stderr).toContain('127.0.0.1:1');
  });

  it('is refused for what is blocked, and nobody is asked', async () => {
    configure(
      '[[registry]]',
      'prefix = "upstream.invalid"',
      'blocked = true',
      ...mirror(good.host),
    );
    const { status, stderr } = await build();
    expect(status).toBe(2);
    expect(stderr).toMatch(
      /^rundle: reading docker:\/\/upstream.invalid\/team\/app:v1: .* is blocked by /,
    );
    expect(good.seen).toEqual([]);
  });
});
