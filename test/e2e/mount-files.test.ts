import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Mounted, makeMounted, optionSets } from './support/mounted.js';
import { profiles } from './support/profile.js';
import { endProcesses, goneExcept } from './support/traces.js';

let mounted: Mounted;

/** A program whose status says whether two megabytes of its own, which nothing has read before, are as they should be. */
const largeProgram = `
static const unsigned char bytes[2 << 20] = {[0] = 1, [1 << 20] = 2, [(2 << 20) - 1] = 3};
int main(void)
{
	unsigned sum = 0;
	for (volatile unsigned i = 0; i < sizeof bytes; i++)
		sum += bytes[i];
	return sum == 6 ? 42 : 1;
}
`;

/** A program that is linked dynamically, and loads one library more while it runs. */
const loader = `
#include <dlfcn.h>
int main(void)
{
	void *library = dlopen("/opt/plugin.so", RTLD_NOW);
	int (*answer)(void) = library ? (int (*)(void))dlsym(library, "answer") : 0;
	return answer ? answer() : 1;
}
`;

function compile(rootfs: string, output: string, source: string, ...options: string[]): void {
  const path = join(mountedSource(rootfs), 'source.c');
  writeFileSync(path, source);
  execFileSync('gcc', ['-O1', ...options, '-o', join(rootfs, output), path, '-ldl']);
}

/** Sources lie beside the root file system, not in it. */
const mountedSource = (rootfs: string) => dirname(rootfs);

function furnish(rootfs: string): void {
  for (const name of ['large', 'storm', 'interpreter']) {
    compile(rootfs, `opt/${name}`, largeProgram, '-static');
  }
  compile(rootfs, 'opt/loader', loader);
  compile(rootfs, 'opt/plugin.so', 'int answer(void) { return 43; }', '-shared', '-fPIC');
  // The loader and the C library, at the paths they have here.
  const needs = execFileSync('ldd', [join(rootfs, 'opt/loader')], { encoding: 'utf8' });
  for (const [path] of needs.matchAll(/\/\S+/g)) {
    mkdirSync(join(rootfs, dirname(path)), { recursive: true });
    copyFileSync(path, join(rootfs, path));
  }
  writeFileSync(join(rootfs, 'opt/script'), '#!/opt/interpreter\n');
  writeFileSync(
    join(rootfs, 'opt/shell-script'),
    '#!/bin/sh\n[ "$(cat /etc/passwd)" ] && exit 44\n',
  );
  for (const name of ['script', 'shell-script']) chmodSync(join(rootfs, 'opt', name), 0o755);
}

beforeAll(() => {
  mounted = makeMounted(4, furnish);
});

afterEach(() => endProcesses(mounted.place));
afterAll(() => mounted?.place.remove());

const gone = () => goneExcept(mounted.place, mounted.before);

describe.each(profiles)('as $name', (profile) => {
  test.each(optionSets)('map, execute and load from the mount: $options', async ({ options }) => {
    const puppet = await mounted.start(profile, options);
    const { sums } = mounted;
    expect(await puppet.ask('map /data/0')).toBe('mapped');
    expect(await puppet.ask('touch')).toBe(sums[0]);
    expect(await puppet.ask('share /data/1')).toBe('mapped');
    expect(await puppet.ask('touch')).toBe(sums[1]);
    expect(await puppet.ask('read /data/1')).toBe(sums[1]);
    expect(await puppet.ask('execute /opt/large')).toBe('exit 42');
    expect(await puppet.ask('execute /opt/script')).toBe('exit 42');
    expect(await puppet.ask('execute /opt/shell-script')).toBe('exit 44');
    expect(await puppet.ask('execute /opt/loader')).toBe('exit 43');
    expect(await puppet.ask('execute /data/2')).toBe('EACCES');
    expect(await puppet.ask('execute /opt/missing')).toBe('ENOENT');
    puppet.close();
    expect(await puppet.ended).toBe(0);
    expect(await gone()).toEqual([]);
  });

  test('50 processes execute one file at once, which nobody has read before', async () => {
    const puppet = await mounted.start(profile);
    expect(await puppet.ask('storm /opt/storm')).toBe('exit 42');
    expect(await puppet.ask('storm /opt/script')).toBe('exit 42');
    expect(await puppet.ask('storm /opt/loader')).toBe('exit 43');
    puppet.close();
    expect(await puppet.ended).toBe(0);
    expect(await gone()).toEqual([]);
  });
});
