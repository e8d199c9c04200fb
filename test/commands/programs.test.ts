import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, image, makeWorkspace, rundle, smallTree, type Workspace } from './support/rundle.js';

let place: Workspace;
let source: string;
beforeAll(() => {
  place = makeWorkspace();
  source = image(place, 'my-image', smallTree, { config: { Cmd: ['/bin/app'] } });
  mkdirSync(place.path('rootfs'));
  writeFileSync(place.path('rootfs/file'), 'content');
});
afterAll(() => place.remove());

const repository = join(cli, '../..');

interface Described {
  sections: { name: string; sha256: string }[];
  manifest: { programs?: { sections: object }[]; licenses: { name: string; text: string[] }[] };
}

async function build(file: string, ...words: string[]): Promise<Described> {
  const { status, stdout } = await rundle(place, ['build', ...words, '-o', file, '--json']);
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

const programsOf = ({ sections }: Described) =>
  sections.filter(({ name }) => name.startsWith('auxiliary program PRoot'));

function tiersOf(file: string): string[] {
  const info = execFileSync(place.path(file), ['--info', '--json'], { encoding: 'utf8' });
  return JSON.parse(info).tiers;
}

describe('PRoot in a bundle', () => {
  it('is that of its architecture, also in a bundle that is made of one', async () => {
    for (const [platform, architecture] of [
      ['linux/amd64', 'x86_64'],
      ['linux/arm64', 'aarch64'],
    ] as const) {
      const file = `${architecture}.run`;
      const first = await build(file, 'dir:rootfs', '--platform', platform);
      const frame = readFileSync(join(repository, `dist/auxiliary/${architecture}/proot.zst`));
      const sha256 = createHash('sha256').update(frame).digest('hex');
      const name = `auxiliary program PRoot for ${architecture}`;
      expect(programsOf(first)).toMatchObject([{ name, sha256, required: false }]);
      const again = await build(`again-${file}`, `run:${file}`, '--env', 'A=b');
      expect(programsOf(again)).toMatchObject([{ name, sha256 }]);
      expect(again.manifest.licenses).toEqual(first.manifest.licenses);
      expect(again.manifest.programs).toEqual(first.manifest.programs);
    }
  });

  it('is shown by inspect, with the licences', async () => {
    await build('shown.run', source);
    const { stdout } = await rundle(place, ['inspect', '--check', 'shown.run']);
    expect(stdout).toMatch(/^ {2}auxiliary program PRoot for x86_64 +\d+ +\d+ +[0-9a-f]{64}$/m);
    expect(stdout).toMatch(
      /^ {2}PRoot +GPL-2\.0-or-later, version 5\.4\.0, http:\/\/\S+\.tar\.gz$/m,
    );
    expect(stdout).toMatch(/^ {2}rundle +Apache-2\.0, version /m);
  });

  it('and its licence are told by the bundle itself', async () => {
    const { manifest } = await build('told.run', source);
    const told = execFileSync(place.path('told.run'), ['--info', '--licenses'], {
      encoding: 'utf8',
    });
    for (const { name, text } of manifest.licenses) {
      expect(told).toContain(`---- ${name} ----\n\n${text.join('\n')}\n`);
    }
    expect(told).toContain('PRoot 5.4.0: GPL-2.0-or-later\n  source: http://');
    const json = execFileSync(place.path('told.run'), ['--info', '--licenses', '--json'], {
      encoding: 'utf8',
    });
    expect(JSON.parse(json)).toEqual({ licenses: manifest.licenses });
    expect(tiersOf('told.run')).toEqual(['mount', 'extract', 'trace']);
  });
});

describe('an installation without PRoot', () => {
  const without = (...parts: string[]) => place.path('installation', ...parts);
  beforeAll(() => {
    mkdirSync(without());
    const auxiliary = join(repository, 'dist/auxiliary');
    cpSync(join(repository, 'dist'), without('dist'), {
      recursive: true,
      filter: (path) => relative(auxiliary, path).startsWith('..'),
    });
    for (const name of ['LICENSE', 'node_modules', 'package.json', 'stub', 'templates']) {
      symlinkSync(join(repository, name), without(name));
    }
  });
  const through = (node: string): [string, ...string[]] => [node, without('dist/cli.js')];

  it('says so once, and builds a bundle that has none', async () => {
    const built = await rundle(place, ['build', source, '-o', 'none.run'], { through });
    expect(built.status).toBe(0);
    expect(built.stderr.split('\n').filter((line) => line.includes('PRoot'))).toEqual([
      'rundle: this installation has no PRoot for x86_64: the bundle does not start on hosts without user namespaces',
    ]);
    const quiet = await rundle(place, ['build', source, '-o', 'quiet.run', '--quiet'], { through });
    expect(quiet).toMatchObject({ status: 0, stderr: '' });
    const { stdout } = await rundle(place, ['inspect', '--check', '--json', 'none.run']);
    const described: Described = JSON.parse(stdout);
    expect(programsOf(described)).toEqual([]);
    expect(tiersOf('none.run')).toEqual(['mount', 'extract']);
    expect(described.manifest).not.toHaveProperty('programs');
    expect(described.manifest.licenses.map(({ name }) => name)).not.toContain('PRoot');
  });

  it('with one architecture of two it names the other', async () => {
    mkdirSync(without('dist/auxiliary/aarch64'), { recursive: true });
    for (const name of ['proot.zst', 'proot.json']) {
      const path = join('dist/auxiliary/aarch64', name);
      writeFileSync(without(path), readFileSync(join(repository, path)));
    }
    const built = await rundle(place, ['build', source, '-o', 'one.run'], { through });
    expect(built.stderr).toContain('no PRoot for x86_64: ');
    const arm = ['build', 'dir:rootfs', '-o', 'arm.run', '--platform', 'linux/arm64'];
    expect((await rundle(place, arm, { through })).stderr).not.toContain('PRoot');
  });
});
