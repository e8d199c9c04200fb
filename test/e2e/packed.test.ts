import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeRootfs, makeWorkplace, repository, type Workplace } from './support/workplace.js';

let place: Workplace;
let tarball: string;

/** Packs a copy of the repository, since packing builds dist/ anew and other tests run from it. */
beforeAll(() => {
  place = makeWorkplace();
  const copy = join(place.directory, 'clone');
  const left = new Set(['.git', '.cache', 'dist', 'node_modules']);
  cpSync(repository, copy, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
    filter: (path) => {
      const name = relative(repository, path);
      // Of what stub/ built, what it fetched is enough: packages for the other architecture and PRoot's source.
      const built = /^stub\/build\/(?!sysroot-|proot$|proot\/[^/]*\.tar\.gz$)/.test(name);
      return !left.has(name) && !built && !name.endsWith('.run');
    },
  });
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'));
  const destination = join(place.directory, 'packed');
  mkdirSync(destination);
  execFileSync('npm', ['pack', '--pack-destination', destination], { cwd: copy, stdio: 'pipe' });
  const [name, ...others] = readdirSync(destination);
  expect(others).toEqual([]);
  tarball = join(destination, name ?? '');
});

afterAll(() => place?.remove());

test('the tarball holds what rundle needs and nothing of its making', () => {
  const names = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  expect(names).toEqual(
    expect.arrayContaining([
      'package/LICENSE',
      'package/README.md',
      'package/package.json',
      'package/dist/cli.js',
      'package/dist/launchers/x86_64',
      'package/dist/launchers/aarch64',
      'package/dist/auxiliary/x86_64/proot.zst',
      'package/dist/auxiliary/aarch64/proot.zst',
      'package/dist/auxiliary/source/COPYING',
      'package/dist/auxiliary/source/proot_5.4.0.orig.tar.gz',
      'package/stub/proot/build.sh',
      'package/stub/licenses/GPL-3.0.txt',
      'package/man/rundle.1',
      'package/man/rundle-bundle.7',
      'package/templates/header.sh.mustache',
    ]),
  );
  const allowed =
    /^package\/(LICENSE|README\.md|package\.json|dist\/|man\/|templates\/|stub\/(README\.md$|sysroot-aarch64\.sh$|licenses\/|proot\/))/;
  expect(names.filter((name) => !allowed.test(name) || name.endsWith('.map'))).toEqual([]);
});

test('installed in an empty directory, it builds a bundle without a compiler', () => {
  const installed = join(place.directory, 'empty');
  mkdirSync(installed);
  execFileSync(
    'npm',
    ['install', '--prefix', installed, '--prefer-offline', '--no-audit', '--no-fund', tarball],
    { cwd: installed, stdio: 'pipe' },
  );

  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  writeFileSync(join(rootfs, 'hello'), 'from the packed rundle\n');

  // A PATH with Node, a shell and a few small programs, so no compiler, no make, no zstd.
  const programs = join(place.directory, 'programs');
  mkdirSync(programs);
  symlinkSync(process.execPath, join(programs, 'node'));
  for (const applet of ['env', 'sh', 'cat', 'uname', 'dd', 'chmod', 'rm', 'find', 'wc']) {
    symlinkSync('/bin/busybox', join(programs, applet));
  }
  const environment = { PATH: programs, HOME: place.directory, TMPDIR: place.scratch };
  const inEmptyPath = (program: string, ...args: string[]) =>
    execFileSync(program, args, {
      env: environment,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  expect(() => inEmptyPath('env', 'gcc', '--version')).toThrow(/gcc/);

  const rundle = join(installed, 'node_modules/.bin/rundle');
  const bundle = join(place.directory, 'packed.run');
  inEmptyPath(
    rundle,
    'build',
    `dir:${rootfs}`,
    '-o',
    bundle,
    '--quiet',
    '--cmd',
    '["/bin/cat","/hello"]',
  );
  expect(inEmptyPath(bundle)).toBe('from the packed rundle\n');
  inEmptyPath(bundle, '--check');

  // The launcher of the other architecture came with it too.
  inEmptyPath(
    rundle,
    'build',
    `dir:${rootfs}`,
    '-o',
    bundle,
    '--quiet',
    '--force',
    '--platform',
    'linux/arm64',
  );
  const described = inEmptyPath(rundle, 'inspect', bundle);
  expect(described).toContain('launcher for aarch64');
  expect(described).toContain('auxiliary program PRoot for aarch64');
});
