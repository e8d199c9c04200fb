import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Architecture } from '#rundle/bundle/architecture.js';
import { type AssembleRequest, assembleBundle } from '#rundle/bundle/assemble.js';
import { checkBundle } from '#rundle/bundle/check.js';
import { auxiliaryDirectory } from '#rundle/bundle/programs.js';
import { openBundle, readSection } from '#rundle/bundle/read.js';
import { makeWorkshop, platform, request } from './support.js';

const workshop = makeWorkshop();
afterAll(() => workshop.remove());
const programs = join(workshop.directory, 'programs');
let folder = '';
let run = 0;
beforeEach(() => {
  rmSync(programs, { recursive: true, force: true });
  folder = join(workshop.directory, `programs ${++run}`);
  mkdirSync(folder);
});

const source = { url: 'http://example.org/proot.tar.gz', sha256: 'a'.repeat(64) };
const proot = { name: 'PRoot', version: '5.4.0', license: 'GPL-2.0-or-later', source };
const licenseOf = (name: string, version: string) => ({
  name,
  version,
  license: 'LGPL-3.0-or-later',
  text: ['first line', '', 'last line'],
});

/** PRoot as its build leaves it. */
function put(architecture: Architecture, content: Buffer, change: object = {}): Buffer {
  const directory = join(programs, architecture);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'plain'), content);
  execFileSync('zstd', ['-qf', join(directory, 'plain'), '-o', join(directory, 'proot.zst')]);
  const licenses = [licenseOf('PRoot', '5.4.0'), licenseOf('talloc', '2.4.0')];
  const description = { ...proot, unpackedSize: content.length, licenses, ...change };
  writeFileSync(join(directory, 'proot.json'), JSON.stringify(description));
  return readFileSync(join(directory, 'proot.zst'));
}

const assemble = (change: Partial<AssembleRequest> = {}, output = join(folder, 'app.run')) =>
  assembleBundle(request(workshop, output, { auxiliaryDirectory: programs, ...change }));
const both = { platforms: [platform('aarch64'), platform('x86_64')] };

describe('a bundle', () => {
  test('has PRoot for each of its architectures between launchers and payload', async () => {
    const frames = [
      put('x86_64', Buffer.alloc(5000, 'x')),
      put('aarch64', Buffer.alloc(90_000, 'a')),
    ];
    const summary = await assemble(both);
    expect(summary.sections.map(({ kind, machine }) => [kind, machine])).toEqual([
      [1, 0],
      [2, 62],
      [2, 183],
      [6, 62],
      [6, 183],
      [3, 0],
      [4, 62],
      [4, 183],
      [5, 0],
    ]);
    const sections = summary.sections.filter(({ kind }) => kind === 6);
    for (const [i, section] of sections.entries()) {
      expect(section).toMatchObject({ index: 0, required: false });
      expect(section.offset % 4096).toBe(0);
      expect(await readSection(summary.path, section, 1 << 20)).toEqual(frames[i]);
    }
    expect(await checkBundle(summary.path)).toEqual([]);
    const { manifest } = await openBundle(summary.path);
    expect(manifest).toEqual(summary.manifest);
    const [x86, arm] = sections.map(({ size, sha256 }) => ({ size, sha256 }));
    expect(manifest.programs).toEqual([
      {
        ...proot,
        sections: {
          x86_64: { ...x86, unpackedSize: 5000 },
          aarch64: { ...arm, unpackedSize: 90_000 },
        },
      },
    ]);
  });

  test('lists each licence once, with its text', async () => {
    put('x86_64', Buffer.alloc(100));
    put('aarch64', Buffer.alloc(100), {
      licenses: [licenseOf('PRoot', '5.4.0'), licenseOf('talloc', '2.4.1')],
    });
    const { manifest } = await assemble(both);
    const names = manifest.licenses?.map(({ name, version }) => [name, version]);
    expect(names).toEqual([
      ['rundle', '0.1.0'],
      ['musl', undefined],
      ['Zstandard', undefined],
      ['PRoot', '5.4.0'],
      ['talloc', '2.4.0'],
      ['talloc', '2.4.1'],
    ]);
    const texts = manifest.licenses?.map(({ text }) => text.join('\n')) ?? [];
    expect(texts[0]).toMatch(/^ +Apache License\n.*Version 2\.0/);
    expect(texts[1]).toContain('Rich Felker');
    expect(texts[2]).toContain('Meta Platforms');
    expect(texts[3]).toBe('first line\n\nlast line');
  });

  test('comes without the one that is not there', async () => {
    put('aarch64', Buffer.alloc(100));
    const some = await assemble(both);
    expect(some.sections.filter(({ kind }) => kind === 6)).toMatchObject([{ machine: 183 }]);
    expect(Object.keys(some.manifest.programs?.[0]?.sections ?? {})).toEqual(['aarch64']);

    const none = await assemble({}, join(folder, 'none.run'));
    expect(none.sections.some(({ kind }) => kind === 6)).toBe(false);
    expect(none.manifest).not.toHaveProperty('programs');
    expect(none.manifest.licenses?.map(({ name }) => name)).toEqual([
      'rundle',
      'musl',
      'Zstandard',
    ]);
    expect((await openBundle(none.path)).manifest).toEqual(none.manifest);
  });

  test('is the same for the same programs', async () => {
    put('x86_64', Buffer.alloc(100, 'x'));
    mkdirSync(join(folder, 'other'));
    const [one, other] = [await assemble(), await assemble({}, join(folder, 'other/app.run'))];
    expect(readFileSync(one.path).equals(readFileSync(other.path))).toBe(true);
  });

  test('shows a damaged program to --check', async () => {
    put('x86_64', Buffer.alloc(100, 'x'));
    const { path, sections } = await assemble();
    const bytes = readFileSync(path);
    const at = sections.find(({ kind }) => kind === 6)?.offset ?? 0;
    bytes[at + 3] = (bytes[at + 3] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    expect(await checkBundle(path)).toMatchObject([{ part: 'auxiliary program PRoot for x86_64' }]);
  });

  test("has this installation's unless told otherwise", async () => {
    const { auxiliaryDirectory: _, ...rest } = request(workshop, join(folder, 'app.run'));
    const { path, sections } = await assembleBundle(rest);
    const section = sections.find(({ kind }) => kind === 6);
    if (section === undefined) throw new Error('it has no PRoot');
    const installed = readFileSync(join(auxiliaryDirectory(), 'x86_64/proot.zst'));
    expect(installed.equals(await readSection(path, section, 1 << 20))).toBe(true);
  });
});

describe('a program', () => {
  const refused = (words: string) =>
    expect.objectContaining({
      code: 'E_LAUNCHER',
      message: expect.stringContaining(words),
      hint: expect.stringContaining('npm run launchers'),
    });

  test('may have any size that a frame states', async () => {
    for (const size of [100, 255, 256, 300, 65_791, 65_792, 70_000, 4 << 20]) {
      put('x86_64', Buffer.alloc(size, 'abc'));
      const { manifest } = await assemble({ force: true });
      expect(manifest.programs?.[0]?.sections.x86_64?.unpackedSize).toBe(size);
    }
  });

  test('that is no such frame is refused', async () => {
    const file = join(programs, 'x86_64/proot.zst');
    put('x86_64', Buffer.alloc(5000), { unpackedSize: 5001 });
    await expect(assemble()).rejects.toThrow(refused('not a zstd frame of 5001 bytes'));
    put('x86_64', Buffer.alloc((4 << 20) + 1));
    await expect(assemble()).rejects.toThrow(refused('unpackedSize'));
    put('x86_64', Buffer.alloc(5000));
    writeFileSync(file, execFileSync('zstd', ['-c'], { input: Buffer.alloc(5000) }));
    await expect(assemble()).rejects.toThrow(refused('not a zstd frame'));
    for (const bytes of ['', 'ELF', Buffer.alloc(5000)]) {
      writeFileSync(file, bytes);
      await expect(assemble()).rejects.toThrow(refused('not a zstd frame'));
    }
  });

  test('needs its description', async () => {
    put('x86_64', Buffer.alloc(5000), { license: undefined });
    await expect(assemble()).rejects.toThrow(refused('license'));
    rmSync(join(programs, 'x86_64/proot.json'));
    await expect(assemble()).rejects.toThrow(refused('proot.json'));
  });
});
