import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type AssembleRequest,
  assembleBundle,
  type BundlePlatform,
} from '#rundle/bundle/assemble.js';
import { checkBundle } from '#rundle/bundle/check.js';
import { openBundle, readSection } from '#rundle/bundle/read.js';
import { RundleError } from '#rundle/errors.js';
import type { ByteString } from '#rundle/tree/byte-string.js';
import { makeWorkshop, PAYLOAD, payloadOf, platform, request } from './support.js';

const workshop = makeWorkshop();
afterAll(() => workshop.remove());

let folder = '';
let run = 0;
beforeEach(() => {
  run += 1;
  folder = join(workshop.directory, `out ${run}`);
  mkdirSync(folder);
});

const failing = (code: string, words: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

describe('what is written', () => {
  test('has its parts where the format wants them', async () => {
    const output = join(folder, 'my app.run');
    const platforms = [platform('aarch64'), platform('x86_64')];
    const summary = await assembleBundle(request(workshop, output, { platforms }));
    const file = readFileSync(output);
    expect(file.length).toBe(summary.size);
    expect(statSync(output).mode & 0o7777).toBe(0o755);
    expect(readdirSync(folder)).toEqual(['my app.run']);

    const kinds = summary.sections.map(({ kind, machine }) => [kind, machine]);
    expect(kinds).toEqual([
      [1, 0],
      [2, 62],
      [2, 183],
      [3, 0],
      [4, 62],
      [4, 183],
      [5, 0],
    ]);
    for (const { kind, offset, size, sha256, required } of summary.sections) {
      expect(offset % (kind === 3 ? 65_536 : kind < 3 ? 4096 : 1)).toBe(0);
      expect(
        createHash('sha256')
          .update(file.subarray(offset, offset + size))
          .digest('hex'),
      ).toBe(sha256);
      expect(required).toBe(kind === 3 || kind === 4);
    }
    const [header, launcher, , payload] = summary.sections;
    expect(header).toMatchObject({ offset: 0 });
    const text = file.toString('latin1', 0, header?.size);
    expect(text).toContain(`\nrundle_size='${file.length}'\n`);
    expect(text).toContain(`\nrundle_x86_64_skip='${(launcher?.offset ?? 0) / 4096}'\n`);
    expect(file.subarray(payload?.offset).subarray(0, PAYLOAD.length).equals(PAYLOAD)).toBe(true);
    expect(await checkBundle(output)).toEqual([]);
  });

  test('can be read again', async () => {
    const output = join(folder, 'app.run');
    const summary = await assembleBundle(request(workshop, output));
    const bundle = await openBundle(output);
    expect(bundle.sections).toEqual(summary.sections);
    expect(bundle.manifest).toEqual(summary.manifest);
    expect(bundle.launchConfigs).toEqual([
      {
        ...platform('x86_64').launch,
        architecture: 'x86_64',
        payload: 0,
        root: '/',
        id: summary.payload.sha256,
        size: 20_000,
        inodes: 3,
        name: 'app',
      },
    ]);
    expect(bundle.manifest).toMatchObject({
      name: 'app',
      architectures: ['x86_64'],
      config: { cmd: [{ base64: '/w==' }], env: ['PATH=/bin', "EVIL='$(id)\n"] },
      omissions: [
        { path: 'dev/x', what: 'mtime before 1970' },
        {
          path: { base64: Buffer.from('bad\xff/name', 'latin1').toString('base64') },
          what: 'POSIX ACL',
        },
      ],
      omissionCount: 2,
      launchers: [{ arch: 'x86_64', size: statSync(workshop.launcherFile('x86_64')).size }],
    });
    expect(Object.keys(bundle.manifest.labels)).toEqual(['a', 'z', 'é']);
    const launcher = bundle.sections.find(({ kind }) => kind === 2);
    if (launcher === undefined) throw new Error('no launcher');
    expect(await readSection(output, launcher, 1 << 20)).toEqual(
      readFileSync(workshop.launcherFile('x86_64')),
    );
    await expect(readSection(output, launcher, 10)).rejects.toThrow(
      failing('E_BUNDLE', 'at most 10'),
    );
  });

  test('names the tree of each architecture', async () => {
    const output = join(folder, 'app.run');
    const [intel, arm] = [platform('x86_64'), platform('aarch64')];
    arm.image = { ...arm.image, labels: { b: '2', a: '1' } };
    const tree = (name: string) => ({ root: `/${name}` as ByteString, size: 7, inodes: 2 });
    const platforms = [
      { ...arm, tree: tree('aarch64') },
      { ...intel, tree: tree('x86_64') },
    ];
    const { payload } = await assembleBundle(request(workshop, output, { platforms }));
    const { launchConfigs, manifest } = await openBundle(output);
    expect(launchConfigs.map(({ root, size, inodes }) => [root, size, inodes])).toEqual([
      ['/x86_64', 7, 2],
      ['/aarch64', 7, 2],
    ]);
    const ids = launchConfigs.map(({ id }) => id);
    const id = createHash('sha256').update(`${payload.sha256}/aarch64`).digest('hex');
    expect(ids[1]).toBe(id);
    expect(new Set([...ids, payload.sha256]).size).toBe(3);
    expect(manifest.labels).toEqual(intel.image.labels);
    expect(manifest.platforms).toMatchObject([
      { arch: 'x86_64', root: '/x86_64', inodes: 2, contentBytes: 7, config: { cmd: [{}] } },
      { arch: 'aarch64', root: '/aarch64', labels: { a: '1', b: '2' } },
    ]);
    expect(await checkBundle(output)).toEqual([]);
  });

  test('has each architecture once', async () => {
    const build = (platforms: BundlePlatform[]) =>
      assembleBundle(request(workshop, join(folder, 'app.run'), { platforms }));
    await expect(build([])).rejects.toThrow(failing('E_PLATFORM', 'no architecture'));
    await expect(build([platform('aarch64'), platform('aarch64')])).rejects.toThrow(
      failing('E_PLATFORM', 'an architecture twice'),
    );
  });

  test('is the same for the same request', async () => {
    const other = join(folder, 'elsewhere');
    mkdirSync(other);
    const before = process.umask(0o077);
    try {
      await assembleBundle(request(workshop, join(folder, 'app.run')));
      process.umask(0);
      await assembleBundle(request(workshop, join(other, 'app.run')));
    } finally {
      process.umask(before);
    }
    const [a, b] = [folder, other].map((place) => readFileSync(join(place, 'app.run')));
    expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
    expect(statSync(join(folder, 'app.run')).mode & 0o7777).toBe(0o755);
  });
});

describe('the output', () => {
  test('is not overwritten unless forced', async () => {
    const output = join(folder, 'app.run');
    writeFileSync(output, 'precious');
    let written = false;
    const writePayload = async () => {
      written = true;
      throw new Error('not reached');
    };
    const error = await assembleBundle(request(workshop, output, { writePayload })).catch((e) => e);
    expect(error).toEqual(failing('E_OUTPUT', `${output}: it exists already`));
    expect(error.hint).toContain('--force');
    expect(written).toBe(false);
    expect(readFileSync(output, 'utf8')).toBe('precious');
    await assembleBundle(request(workshop, output, { force: true }));
    expect(await checkBundle(output)).toEqual([]);
    expect(readdirSync(folder)).toEqual(['app.run']);
  });

  test('is not overwritten when it came into being meanwhile', async () => {
    const output = join(folder, 'app.run');
    const writePayload: typeof payload = async (handle, start) => {
      writeFileSync(output, 'precious');
      return payload(handle, start);
    };
    const payload = payloadOf(PAYLOAD);
    await expect(assembleBundle(request(workshop, output, { writePayload }))).rejects.toThrow(
      failing('E_OUTPUT', 'exists already'),
    );
    expect(readFileSync(output, 'utf8')).toBe('precious');
    expect(readdirSync(folder)).toEqual(['app.run']);
  });

  test('a link is replaced, not what it points to', async () => {
    const output = join(folder, 'app.run');
    writeFileSync(join(folder, 'target'), 'precious');
    symlinkSync('target', output);
    await expect(assembleBundle(request(workshop, output))).rejects.toThrow(
      failing('E_OUTPUT', 'exists already'),
    );
    await assembleBundle(request(workshop, output, { force: true }));
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('precious');
    expect(await checkBundle(output)).toEqual([]);
  });

  test('needs a place where a file can be', async () => {
    const build = (output: string) => assembleBundle(request(workshop, output, { force: true }));
    await expect(build(join(folder, 'no/app.run'))).rejects.toThrow(
      failing('E_OUTPUT', 'its directory does not exist'),
    );
    await expect(build(folder)).rejects.toThrow(failing('E_OUTPUT', 'it is a directory'));
    await expect(build('/dev/null')).rejects.toThrow(failing('E_OUTPUT', 'it is no regular file'));
    writeFileSync(join(folder, 'file'), '');
    await expect(build(join(folder, 'file/app.run'))).rejects.toThrow(
      failing('E_OUTPUT', 'its directory is not a directory'),
    );
    await expect(build(join(folder, 'n'.repeat(300)))).rejects.toThrow(
      failing('E_OUTPUT', 'its name is too long'),
    );
    expect(readdirSync(folder)).toEqual(['file']);
  });

  test('leaves nothing behind when the payload fails, is wrong, or cannot be described', async () => {
    const output = join(folder, 'app.run');
    const fault = new RundleError('E_SOURCE', 'the source went away');
    const fail = async () => {
      throw fault;
    };
    await expect(assembleBundle(request(workshop, output, { writePayload: fail }))).rejects.toBe(
      fault,
    );
    const payload = payloadOf(PAYLOAD);
    const lie: typeof payload = async (handle, start) => ({
      ...(await payload(handle, start)),
      size: PAYLOAD.length - 1,
    });
    await expect(assembleBundle(request(workshop, output, { writePayload: lie }))).rejects.toThrow(
      failing('E_OUTPUT', 'after the payload'),
    );
    const wrong = request(workshop, output);
    const launch = { ...platform('x86_64').launch, env: ['no equals sign' as never] };
    wrong.platforms = [{ ...platform('x86_64'), launch }];
    await expect(assembleBundle(wrong)).rejects.toThrow(failing('E_FORMAT', 'env'));
    expect(readdirSync(folder)).toEqual([]);
  });

  test('a full disk', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', folder]);
    try {
      const output = join(folder, 'app.run');
      const chunk = Buffer.alloc(200_000, 1);
      const big: AssembleRequest['writePayload'] = async (handle, start) => {
        for (let at = start; ; at += chunk.length) await handle.write(chunk, 0, chunk.length, at);
      };
      await expect(
        assembleBundle(request(workshop, output, { writePayload: big })),
      ).rejects.toThrow(failing('E_OUTPUT', `${output}: no space left`));
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      execFileSync('umount', ['-l', folder]);
    }
  });

  test('a directory that cannot be written', () => {
    const script = join(workshop.directory, 'as-user.mjs');
    writeFileSync(
      script,
      `import { openOutput } from ${JSON.stringify(import.meta.resolve('#rundle/bundle/output.js'))};
await openOutput(process.argv[2]).catch((error) => console.log(error.code, error.message));\n`,
    );
    execFileSync('chmod', ['755', workshop.directory, folder]);
    const user = ['--reuid', '12345', '--regid', '12345', '--clear-groups'];
    const output = join(folder, 'app.run');
    const child = spawnSync('setpriv', [...user, process.execPath, script, output], {
      encoding: 'utf8',
    });
    expect(child.stdout).toBe(
      `E_OUTPUT writing ${output}: no permission to create a file in its directory\n`,
    );
  });

  test('a file system without hard links', () => {
    const shim = join(workshop.directory, 'no-links.so');
    const source = join(workshop.directory, 'no-links.c');
    writeFileSync(
      source,
      '#include <errno.h>\nint link(const char *a, const char *b) { (void)a; (void)b; errno = EPERM; return -1; }\n',
    );
    execFileSync('gcc', ['-shared', '-fPIC', '-o', shim, source]);
    const script = join(workshop.directory, 'publishes.mjs');
    writeFileSync(
      script,
      `import { writeFileSync } from 'node:fs';
import { openOutput } from ${JSON.stringify(import.meta.resolve('#rundle/bundle/output.js'))};
const [path, taken] = process.argv.slice(2);
const output = await openOutput(path);
await output.handle.write('content');
if (taken) writeFileSync(path, 'precious');
await output.publish().catch((error) => console.log(error.code));
await output.discard();\n`,
    );
    const publish = (...args: string[]) =>
      execFileSync(process.execPath, [script, ...args], {
        env: { ...process.env, LD_PRELOAD: shim },
        encoding: 'utf8',
      });
    const output = join(folder, 'app.run');
    expect(publish(output)).toBe('');
    expect(readFileSync(output, 'utf8')).toBe('content');
    expect(statSync(output).mode & 0o7777).toBe(0o755);
    const other = join(folder, 'other.run');
    expect(publish(other, 'taken')).toBe('E_OUTPUT\n');
    expect(readFileSync(other, 'utf8')).toBe('precious');
    expect(readdirSync(folder)).toEqual(['app.run', 'other.run']);
  });

  test('the end of the process removes what is not complete', () => {
    const script = join(workshop.directory, 'ends.mjs');
    writeFileSync(
      script,
      `import { discardPendingOutputs, openOutput } from ${JSON.stringify(import.meta.resolve('#rundle/bundle/output.js'))};
import { readdirSync, statSync } from 'node:fs';
process.once('SIGTERM', () => { discardPendingOutputs(); process.kill(process.pid, 'SIGTERM'); });
await openOutput(process.argv[2] + '/app.run');
const [name] = readdirSync(process.argv[2]);
console.log(name, (statSync(process.argv[2] + '/' + name).mode & 0o7777).toString(8));
if (process.argv[3] === 'exit') process.exit(3);
process.kill(process.pid, 'SIGTERM');
setTimeout(() => {}, 60_000);\n`,
    );
    for (const how of ['exit', 'signal']) {
      const child = spawnSync(process.execPath, [script, folder, how], { encoding: 'utf8' });
      expect(child.stderr).toBe('');
      expect(child.stdout).toMatch(/^\.rundle-build-[0-9a-f]{16} 700\n$/);
      expect([child.status, child.signal]).toEqual(how === 'exit' ? [3, null] : [null, 'SIGTERM']);
      expect(readdirSync(folder)).toEqual([]);
    }
  });
});

describe('launchers', () => {
  const build = (file: string) =>
    assembleBundle(request(workshop, join(folder, 'app.run'), { launcherFile: () => file }));

  test('one that is missing says how it is made', async () => {
    const error = await build(join(folder, 'none')).catch((e) => e);
    expect(error).toEqual(failing('E_LAUNCHER', 'x86_64'));
    expect(error.hint).toContain('npm run launchers');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('what is no static program for the architecture is refused', async () => {
    const good = readFileSync(workshop.launcherFile('x86_64'));
    const changed = (name: string, change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(good);
      change(bytes);
      const file = join(workshop.directory, name);
      writeFileSync(file, bytes);
      return file;
    };
    const dynamic = join(workshop.directory, 'dynamic');
    copyFileSync('/bin/ls', dynamic);
    for (const [file, words] of [
      [dynamic, 'linked dynamically'],
      [workshop.launcherFile('aarch64'), 'for machine 183, not 62'],
      [changed('text', (bytes) => bytes.write('#!')), 'not an ELF file'],
      [changed('class', (bytes) => bytes.writeUInt8(1, 4)), 'not a 64-bit'],
      [changed('type', (bytes) => bytes.writeUInt16LE(1, 16)), 'not a program'],
      [changed('table', (bytes) => bytes.fill(0xff, 32, 40)), 'outside of it'],
      [changed('count', (bytes) => bytes.writeUInt16LE(0, 56)), 'outside of it'],
      [changed('size', (bytes) => bytes.writeUInt16LE(1, 54)), 'outside of it'],
    ] as const) {
      await expect(build(file)).rejects.toThrow(failing('E_LAUNCHER', words));
    }
    writeFileSync(join(workshop.directory, 'short'), good.subarray(0, 63));
    await expect(build(join(workshop.directory, 'short'))).rejects.toThrow(
      failing('E_LAUNCHER', 'not an ELF file'),
    );
  });
});
