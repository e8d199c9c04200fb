import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeSampleTree } from './sample-tree.js';
import { describeTree, make, makeScratch, must, run, stub } from './support.js';

const scratch = makeScratch();
afterAll(scratch.remove);

const architectures = ['x86_64', 'aarch64'] as const;

describe.each(architectures)('the launcher for %s', (architecture) => {
  const launcher = join(stub, `build/${architecture}/launcher`);
  beforeAll(() => make(`ARCH=${architecture}`, 'launcher'));

  test('is one static, hardened file of less than 400 KB', () => {
    expect(statSync(launcher).size).toBeLessThan(400_000);
    const headers = must(['readelf', '-lW', launcher]);
    expect(headers).not.toContain('INTERP');
    expect(headers).toMatch(/GNU_STACK.* RW +0x/);
    expect(headers).not.toMatch(/LOAD.* RWE /);
    expect(must(['readelf', '-dW', launcher])).toMatch(/FLAGS_1.*PIE/);
    expect(must(['readelf', '-SW', launcher])).not.toMatch(/debug|symtab|build-id/);
  });

  test('does not say where it was built', () => {
    expect(readFileSync(launcher).includes(stub)).toBe(false);
  });
});

test('the launcher for aarch64 suits pages of 64 KiB', () => {
  make('ARCH=aarch64', 'launcher');
  const headers = must(['readelf', '-lW', join(stub, 'build/aarch64/launcher')]);
  const loads = headers.split('\n').filter((line) => line.trim().startsWith('LOAD'));
  expect(loads.length).toBeGreaterThan(0);
  for (const line of loads) expect(line).toMatch(/0x10000$/);
});

test('built elsewhere the launcher has the same bytes', () => {
  const copy = join(scratch.path, 'a place with another name');
  mkdirSync(copy);
  must(['sh', '-c', 'cp -R "$0"/*.c "$0"/*.h "$0/Makefile" "$0/host" "$1"', stub, copy]);
  must(['make', '-s', '-C', copy, 'ARCH=x86_64', 'launcher']);
  make('ARCH=x86_64', 'launcher');
  const [here, there] = [stub, copy].map((place) =>
    readFileSync(join(place, 'build/x86_64/launcher')),
  );
  expect(here !== undefined && there?.equals(here)).toBe(true);
});

test('the system knows of no other architecture afterwards', () => {
  make('ARCH=aarch64', 'build/sysroot-aarch64/.complete');
  expect(must(['dpkg', '--print-foreign-architectures'])).toBe('');
});

test('on aarch64, under qemu, a payload is read and extracted as on x86_64', () => {
  const tree = join(scratch.path, 'tree');
  const image = join(scratch.path, 'image.sqfs');
  const drivers = architectures.map((name) => join(stub, `build/${name}/test/payload_tool`));
  makeSampleTree(tree);
  must(['mksquashfs', tree, image, '-comp', 'zstd', '-quiet', '-no-progress']);
  const trees = drivers.map((driver, i) => {
    const out = join(scratch.path, `out-${i}`);
    mkdirSync(out);
    make(`ARCH=${architectures[i]}`, `build/${architectures[i]}/test/payload_tool`);
    const emulator = i === 0 ? [] : ['qemu-aarch64-static'];
    expect(run([...emulator, driver, 'extract', image, out, '2', 'owners'])).toMatchObject({
      status: 0,
    });
    return Object.fromEntries(describeTree(out));
  });
  expect(trees[1]).toEqual(trees[0]);
});
