import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBundle } from '#rundle/bundle/read.js';
import { blobPath, writeDocument } from '../fixtures/image-builder.js';
import { listDirectory } from '../source/support/tree-listing.js';
import { type Profile, profiles, root, runAs } from './support/profile.js';
import { build, makeWorkplace, repository, rundle, type Workplace } from './support/workplace.js';

/*
 * One bundle that starts on two machines. The second one is qemu's user emulation: the kernel hands programs for aarch64 to it by binfmt_misc, and
 * the header learns what the kernel would say. Threads of the emulator keep it from entering namespaces, so the tree is extracted there.
 */
const ARCHITECTURES = { amd64: 'x86_64', arm64: 'aarch64' } as const;
type Name = keyof typeof ARCHITECTURES;
const NAMES = Object.keys(ARCHITECTURES) as Name[];
const BOTH = 'linux/amd64,linux/arm64';
/** Bytes that both images have, and that cannot be compressed. */
const SHARED = 3_000_000;

let place: Workplace;
let bundle: string;
/** Where binfmt_misc is mounted for this file: others may mount and unmount the usual place meanwhile. */
let formats: string;
const entry = 'rundle-test-platforms';

const at = (...names: string[]) => join(place.directory, ...names);

function makeImages(): void {
  const layout = at('image');
  const shared = randomBytes(SHARED);
  const umoci = (...args: string[]) => execFileSync('umoci', args, { stdio: 'pipe' });
  umoci('init', '--layout', layout);
  for (const name of NAMES) {
    const tree = at(`rootfs-${name}`);
    mkdirSync(join(tree, 'bin'), { recursive: true });
    mkdirSync(join(tree, 'etc'));
    writeFileSync(join(tree, 'shared'), shared);
    writeFileSync(join(tree, `only-${name}`), name);
    const source = join(repository, 'test/e2e/support/platform.c');
    const options = ['-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-O1'];
    const program = join(tree, 'bin/platform');
    execFileSync(`${ARCHITECTURES[name]}-linux-gnu-gcc`, [...options, '-o', program, source]);
    execFileSync('tar', ['-C', tree, '-cf', at(`${name}.tar`), '.']);
    const image = `${layout}:${name}`;
    umoci('new', '--image', image);
    umoci('raw', 'add-layer', '--image', image, at(`${name}.tar`));
    const config = ['--architecture', name, '--config.cmd', '/bin/platform'];
    umoci('config', '--image', image, ...config, '--config.env', `FOR=${name}`);
  }
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  for (const descriptor of index.manifests) {
    const architecture = descriptor.annotations['org.opencontainers.image.ref.name'];
    descriptor.platform = { os: 'linux', architecture };
    descriptor.annotations['org.opencontainers.image.ref.name'] = 'both';
  }
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index));
}

beforeAll(() => {
  place = makeWorkplace();
  formats = at('formats');
  mkdirSync(formats);
  execFileSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', formats]);
  const magic =
    '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00';
  const mask =
    '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff';
  const rule = `:${entry}:M::${magic}:${mask}:/usr/bin/qemu-aarch64-static:F`;
  writeFileSync(join(formats, 'register'), rule);
  makeImages();
  bundle = at('both.run');
  build(`oci:${at('image')}:both`, bundle, '--platform', BOTH);
  for (const name of NAMES) {
    build(`oci:${at('image')}:both`, at(`${name}.run`), '--platform', `linux/${name}`);
  }
  mkdirSync(at('bin'));
  writeFileSync(at('bin/uname'), '#!/bin/sh\necho Linux aarch64\n', { mode: 0o755 });
  writeFileSync(at('machine'), 'aarch64\n');
}, 60_000);

afterAll(() => {
  if (existsSync(join(formats, entry))) writeFileSync(join(formats, entry), '-1');
  execFileSync('umount', [formats]);
  place?.remove();
});

/** Starts a bundle as if this were the machine `name`. */
function runOn(name: Name, profile: Profile, argv: readonly string[]) {
  const env = { ...process.env, TMPDIR: place.scratch, RUNDLE_LAUNCHER_CACHE: 'no' };
  if (name === 'amd64') return runAs(profile, argv, { env });
  const kernel = '/proc/sys/kernel/arch';
  const script = existsSync(kernel) ? `mount --bind "$0" ${kernel}; exec "$@"` : 'exec "$@"';
  return runAs(profile, ['unshare', '-m', 'sh', '-ec', script, at('machine'), ...argv], {
    env: { ...env, PATH: `${at('bin')}:${process.env.PATH}` },
  });
}

/** What `platform` has printed: the machine it was compiled for, and what it has seen. */
function seenBy(name: Name, stdout: string): void {
  const [machine, ...names] = stdout.trimEnd().split('\n');
  const other = name === 'amd64' ? 'arm64' : 'amd64';
  expect(machine).toBe(ARCHITECTURES[name]);
  expect(names).toContain(`only-${name}`);
  expect(names).not.toContain(`only-${other}`);
  for (const directory of Object.values(ARCHITECTURES)) expect(names).not.toContain(directory);
}

function command(...args: string[]): string {
  const [node, cli] = rundle;
  return execFileSync(node, [cli, ...args], { encoding: 'utf8', stdio: 'pipe', cwd: at() });
}

/** What rundle says when it does not build. */
function refusal(...args: string[]): string {
  try {
    command('build', '-q', '-o', 'none.run', ...args);
  } catch (error) {
    expect(existsSync(at('none.run'))).toBe(false);
    return (error as { stderr: string }).stderr;
  }
  throw new Error('it was built');
}

describe('a bundle for two platforms', () => {
  test.each(profiles)('starts here as $name, in both tiers', async (profile) => {
    for (const mode of ['mount', 'extract']) {
      const ended = await runOn('amd64', profile, [bundle, '-q', '--mode', mode]);
      expect(ended.stderr).toBe('');
      expect(ended.status).toBe(0);
      seenBy('amd64', ended.stdout);
    }
  });

  test('starts on aarch64', async () => {
    const ended = await runOn('arm64', root, [bundle, '-q', '--mode', 'extract']);
    expect(ended.stderr).toBe('');
    expect(ended.status).toBe(0);
    seenBy('arm64', ended.stdout);
  });

  test('keeps no tree of one machine for the other', async () => {
    const keep = [bundle, '-q', '-k', '-t', at('kept')];
    for (let start = 0; start < 2; start += 1) {
      seenBy('arm64', (await runOn('arm64', root, keep)).stdout);
    }
    const ended = await runOn('amd64', root, keep);
    expect(ended.status).toBe(125);
    expect(ended.stderr).toContain('holds the tree of another bundle');
  });

  test('extracts and unpacks the same trees as a bundle for one', async () => {
    for (const name of NAMES) {
      const extracted = await runOn(name, root, [bundle, '-q', '-x', '-t', at(`x-${name}`)]);
      expect(extracted.stderr).toBe('');
      command('unpack', '-q', '--platform', `linux/${name}`, 'both.run', `u-${name}`);
      command('unpack', '-q', `${name}.run`, `one-${name}`);
      const expected = listDirectory(at(`one-${name}`));
      expect(expected[`only-${name}`]).toBeDefined();
      expect(expected['etc/rc']).toBeDefined();
      expect(listDirectory(at(`u-${name}`))).toEqual(expected);
      const { '.rundle': marker, ...kept } = listDirectory(at(`x-${name}`));
      expect(marker?.kind).toBe('file');
      expect(kept).toEqual(expected);
    }
    command('unpack', '-q', 'both.run', 'u-default');
    expect(existsSync(at('u-default/only-amd64'))).toBe(true);
    expect(() => command('unpack', '-q', '--platform', 'linux/arm', 'both.run', 'none')).toThrow(
      'it holds nothing for linux/arm, only for x86_64 and aarch64',
    );
  });

  test('stores once what both have', async () => {
    const payloadOf = async (path: string) => {
      const { sections, manifest } = await openBundle(path);
      return { size: sections.find(({ kind }) => kind === 3)?.size ?? 0, ...manifest.payload };
    };
    const both = await payloadOf(bundle);
    const [one, other] = await Promise.all(NAMES.map((name) => payloadOf(at(`${name}.run`))));
    expect(both.size).toBeLessThan((one?.size ?? 0) + (other?.size ?? 0) - SHARED);
    expect(both.duplicateBytes).toBeGreaterThanOrEqual(SHARED);
  });

  test('tells for each machine what it is made from', async () => {
    const { launchConfigs, manifest } = await openBundle(bundle);
    expect(manifest.architectures).toEqual(['x86_64', 'aarch64']);
    for (const [position, name] of NAMES.entries()) {
      const one = await openBundle(at(`${name}.run`));
      const [alone] = one.launchConfigs;
      const launch = launchConfigs[position];
      expect(launch).toMatchObject({ root: `/${ARCHITECTURES[name]}`, env: alone?.env });
      expect([launch?.size, launch?.inodes]).toEqual([alone?.size, alone?.inodes]);
      const image = manifest.platforms?.[position];
      expect(image?.arch).toBe(ARCHITECTURES[name]);
      expect(image?.provenance).toEqual(one.manifest.provenance);
      const { stdout } = await runOn(name, root, [bundle, '--info']);
      expect(stdout).toContain(`configDigest: ${one.manifest.provenance.configDigest}\n`);
      expect(stdout.match(/configDigest/g)?.length).toBe(1);
      const info = JSON.parse((await runOn(name, root, [bundle, '--info', '--json'])).stdout);
      expect(info).toMatchObject({ inodes: alone?.inodes, root: launch?.root, id: launch?.id });
      expect(info.payloadSha256).toBe(info.payloadSha256.toLowerCase());
      expect(info.payloadSha256).not.toBe(info.id);
      expect((await runOn(name, root, [bundle, '--check'])).status).toBe(0);
    }
    const programs = manifest.programs?.map(({ sections }) => Object.keys(sections));
    expect(programs).toEqual([['x86_64', 'aarch64']]);
    const told = (await runOn('arm64', root, [bundle, '--info', '--licenses'])).stdout;
    expect(told.match(/^PRoot 5\.4\.0: GPL-2\.0-or-later$/gm)).toHaveLength(1);
    const text = command('inspect', '--check', 'both.run');
    for (const architecture of manifest.architectures) {
      expect(text).toContain(`auxiliary program PRoot for ${architecture}`);
    }
    expect(text).toMatch(/every byte as it was written/);
    expect(text).toMatch(/Start on x86_64[\s\S]*FOR=amd64[\s\S]*Start on aarch64[\s\S]*FOR=arm64/);
  });

  test('is the same whatever the order of the platforms, and from a pipe', () => {
    for (const directory of ['turned', 'piped']) mkdirSync(at(directory));
    command(
      'build',
      '-q',
      `oci:${at('image')}:both`,
      '-o',
      'turned/both.run',
      '--platform',
      'linux/arm64,linux/x86_64',
    );
    expect(readFileSync(at('turned/both.run')).equals(readFileSync(bundle))).toBe(true);
    execFileSync('tar', ['-C', at('image'), '-czf', at('both.tgz'), '.']);
    const options = ['-q', '--platform', BOTH, '-o'];
    command('build', 'oci-archive:both.tgz:both', ...options, 'turned/piped.run');
    const pipe = ['-euc', '"$@" <both.tgz', 'sh', ...rundle, 'build', '-', ...options];
    execFileSync('sh', [...pipe, 'piped/piped.run'], { cwd: at() });
    const manifest = (path: string) => JSON.parse(command('inspect', '--json', path)).manifest;
    const [piped, named] = [manifest('piped/piped.run'), manifest('turned/piped.run')];
    for (const image of [named, ...named.platforms]) delete image.provenance.reference;
    expect(piped).toEqual(named);
  });
});

describe('platforms that cannot be', () => {
  test.each<[string, string[], RegExp]>([
    ['twice the same', ['linux/amd64,linux/x86_64'], /linux\/amd64 is asked for twice/],
    [
      'two variants',
      ['linux/arm64/v7,linux/arm64/v8'],
      /linux\/arm64\/v7 and linux\/arm64\/v8 are both for aarch64\n {2}a bundle starts one/,
    ],
    ['no launcher', ['linux/arm64,linux/riscv64'], /linux\/riscv64, which no launcher can start/],
    ['nothing', ['linux/arm64,'], /the platform "": it is not OS\/ARCH/],
    ['an image for one', [BOTH, 'one'], /image for linux\/arm64 in oci:one:x: it has linux\/amd64/],
    ['a tree', [BOTH, 'dir'], /it does not say what it was built for[^\n]*\n {2}name one/],
    ['a lying index', [BOTH, 'liar'], /image for linux\/arm64 says that it is for linux\/amd64/],
  ])('%s', (_, [platform = '', kind = 'both'], words) => {
    const sources: Record<string, () => string> = {
      both: () => `oci:${at('image')}:both`,
      dir: () => `dir:${at('rootfs-amd64')}`,
      one: () => {
        const target = `oci:${at('one')}:x`;
        const options = ['copy', '-q', '--override-arch', 'amd64'];
        execFileSync('skopeo', [...options, `oci:${at('image')}:both`, target]);
        return 'oci:one:x';
      },
      liar: () => {
        execFileSync('cp', ['-a', at('image'), at('liar')]);
        const index = JSON.parse(readFileSync(at('liar/index.json'), 'utf8'));
        const [intel, arm] = index.manifests;
        const manifest = JSON.parse(readFileSync(blobPath(at('liar'), intel.digest), 'utf8'));
        const again = writeDocument(at('liar'), { ...manifest, annotations: {} }, intel.mediaType);
        index.manifests = [intel, { ...arm, ...again }];
        writeFileSync(at('liar/index.json'), JSON.stringify(index));
        return 'oci:liar:both';
      },
    };
    const said = refusal(sources[kind]?.() ?? '', '--platform', platform);
    expect(said).toMatch(words);
    expect(said).toMatch(/^rundle: [^\n]+\n( {2}[^\n]+\n)?$/);
  });
});
