import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeScratch, must, run, stub } from './support.js';

const scratch = makeScratch();
afterAll(scratch.remove);

const architectures = ['x86_64', 'aarch64'] as const;
const source = JSON.parse(readFileSync(join(stub, 'proot/source.json'), 'utf8'));
const fetched = join(stub, 'build/proot', source.file);

/** Where nothing answers. */
const noNetwork = {
  ...process.env,
  http_proxy: 'http://127.0.0.1:9',
  https_proxy: 'http://127.0.0.1:9',
  no_proxy: '',
};

beforeAll(() => {
  for (const architecture of architectures)
    must(['sh', join(stub, 'proot/build.sh'), architecture]);
});

describe.each(architectures)('PRoot for %s', (architecture) => {
  const built = join(stub, `build/proot/${architecture}/proot`);
  const auxiliary = join(stub, '../dist/auxiliary');

  test('is one static program without symbols that does not say where it was built', () => {
    const headers = must(['readelf', '-hlW', built]);
    expect(headers).toMatch(architecture === 'x86_64' ? /Machine: .*X86-64/ : /Machine: .*AArch64/);
    expect(headers).not.toContain('INTERP');
    expect(headers).toMatch(/GNU_STACK.* RW +0x/);
    expect(headers).not.toMatch(/LOAD.* RWE /);
    const loads = headers.split('\n').filter((line) => /^ +LOAD/.test(line));
    for (const line of loads)
      expect(line).toMatch(architecture === 'x86_64' ? /0x1000$/ : /0x10000$/);
    expect(must(['readelf', '-dW', built])).toMatch(/FLAGS_1.*PIE/);
    expect(must(['readelf', '-dW', built])).not.toContain('NEEDED');
    expect(must(['readelf', '-SW', built])).not.toMatch(/debug|symtab|build-id/);
    expect(readFileSync(built).includes(stub)).toBe(false);
  });

  test('is version 5.4.0, with what makes it fast', () => {
    const emulator = architecture === 'x86_64' ? [] : ['qemu-aarch64-static'];
    const { status, stdout } = run([...emulator, built, '--version']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/ 5\.4\.0$/m);
    expect(stdout).toContain('process_vm = yes, seccomp_filter = yes');
  });

  test('lies in dist/ as one small frame, with what its licence asks for', () => {
    const frame = join(auxiliary, architecture, 'proot.zst');
    expect(statSync(frame).size).toBeLessThan(130_000);
    expect(execFileSync('zstd', ['-dc', frame]).equals(readFileSync(built))).toBe(true);
    const size = statSync(built).size;
    const { stdout } = run(['zstd', '-lv', frame]);
    expect(stdout).toMatch(/Zstandard Frames: 1$/m);
    expect(stdout).toMatch(new RegExp(`Window Size: .*\\(${size} B\\)`));
    expect(stdout).toMatch(new RegExp(`Decompressed Size: .*\\(${size} B\\)`));
    const description = JSON.parse(
      readFileSync(join(auxiliary, architecture, 'proot.json'), 'utf8'),
    );
    expect(description).toMatchObject({
      name: 'PRoot',
      version: '5.4.0',
      license: 'GPL-2.0-or-later',
      source: { url: source.urls[0], sha256: source.sha256 },
      unpackedSize: size,
    });
    expect(description.licenses.map(({ name }: { name: string }) => name)).toEqual([
      'PRoot',
      'talloc',
    ]);
    expect(must(['sha256sum', join(auxiliary, 'source', source.file)])).toContain(source.sha256);
    const copying = readFileSync(join(auxiliary, 'source/COPYING'), 'utf8');
    expect(copying).toContain('GNU GENERAL PUBLIC LICENSE');
    expect(copying.replaceAll('\f', '').trimEnd()).toBe(description.licenses[0].text.join('\n'));
  });
});

test('PRoot runs a program in another root and hands its status on', () => {
  const root = join(scratch.path, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  cpSync('/bin/busybox', join(root, 'bin/sh'));
  const built = join(stub, `build/proot/x86_64/proot`);
  expect(run([built, '-r', root, '/bin/sh', '-c', 'echo /*; exit 7'])).toMatchObject({
    status: 7,
    stdout: '/bin\n',
  });
});

describe('built elsewhere', () => {
  let copy = '';
  let count = 0;
  beforeEach(() => {
    copy = join(scratch.path, `a place with another name ${++count}`);
    mkdirSync(join(copy, 'stub/build/proot'), { recursive: true });
    for (const name of ['proot', 'licenses', 'build.sh', 'sysroot-aarch64.sh']) {
      cpSync(join(stub, name), join(copy, 'stub', name), { recursive: true });
    }
    for (const name of readdirSync(join(stub, 'build')).filter((one) => /^sysroot-/.test(one))) {
      symlinkSync(join(stub, 'build', name), join(copy, 'stub/build', name));
    }
    symlinkSync(join(stub, '../node_modules'), join(copy, 'node_modules'));
  });
  const build = (...words: string[]) =>
    spawnSync('sh', words, { cwd: copy, env: noNetwork, encoding: 'utf8' });
  const copyOfTarball = () => join(copy, 'stub/build/proot', source.file);

  test('it has the same bytes, and what was fetched once is not fetched again', () => {
    cpSync(fetched, copyOfTarball());
    expect(build('stub/proot/build.sh', 'x86_64')).toMatchObject({ status: 0, stderr: '' });
    for (const name of ['proot.zst', 'proot.json']) {
      const [here, there] = [join(stub, '..'), copy].map((place) =>
        readFileSync(join(place, 'dist/auxiliary/x86_64', name)),
      );
      expect(here !== undefined && there?.equals(here)).toBe(true);
    }
    expect(readdirSync(join(copy, 'stub/build/proot')).sort()).toEqual(
      [source.file, 'x86_64'].sort(),
    );
  });

  test('without its source one line says so, and nothing else is missed', () => {
    const failed = build('stub/proot/build.sh', 'x86_64');
    expect(failed).toMatchObject({ status: 1, stdout: '' });
    expect(failed.stderr).toMatch(
      /^No PRoot for x86_64, so bundles for it come without the tier trace: its source cannot be had \(.*\); it may be put at .*\.\n$/,
    );
    expect(failed.stderr).toContain(copyOfTarball());
    expect(existsSync(join(copy, 'dist/auxiliary'))).toBe(false);
    expect(readdirSync(join(copy, 'stub/build/proot'))).toEqual([]);
  });

  test('it is fetched through a proxy, and only the right bytes are kept', async () => {
    const right = readFileSync(fetched);
    const wrong = Buffer.from(right).fill(0, 1000, 1001);
    const answers: (Buffer | undefined)[] = [
      undefined,
      wrong,
      Buffer.concat([right, right]),
      right,
    ];
    const asked: (string | undefined)[] = [];
    const proxy = createServer(({ url }, response) => {
      const bytes = answers[asked.push(url) - 1];
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    });
    await once(proxy.listen(0, '127.0.0.1'), 'listening');
    const { port } = proxy.address() as AddressInfo;
    const env = { ...noNetwork, http_proxy: `http://127.0.0.1:${port}` };
    const statuses: unknown[] = [];
    for (const _ of answers) {
      expect(existsSync(copyOfTarball())).toBe(false);
      const argv = [join(copy, 'stub/proot/fetch.mjs'), copyOfTarball()];
      const child = spawn(process.execPath, argv, { env, stdio: 'ignore' });
      statuses.push((await once(child, 'exit'))[0]);
    }
    proxy.close();
    expect(statuses).toEqual([1, 1, 1, 0]);
    expect(asked).toEqual(answers.map(() => source.urls[0]));
    expect(readFileSync(copyOfTarball()).equals(right)).toBe(true);
    expect(readdirSync(join(copy, 'stub/build/proot'))).toEqual([source.file]);
  });

  test('another file under the name of its source is not used', () => {
    const bytes = readFileSync(fetched);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    writeFileSync(copyOfTarball(), bytes);
    expect(build('stub/proot/build.sh', 'x86_64').status).toBe(1);
    expect(existsSync(join(copy, 'dist/auxiliary'))).toBe(false);
  });

  test('the build of the launchers goes on without it, unless all is asked for', () => {
    // The launchers themselves are not what is tried here.
    mkdirSync(join(copy, 'bin'));
    writeFileSync(join(copy, 'bin/make'), '#!/bin/sh\n', { mode: 0o755 });
    const env = { ...noNetwork, PATH: `${join(copy, 'bin')}:${process.env.PATH}` };
    const all = (...words: string[]) =>
      spawnSync('sh', ['stub/build.sh', ...words], { cwd: copy, env, encoding: 'utf8' });
    expect(all()).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^(No PRoot for (x86_64|aarch64), [^\n]+\n){2}$/),
    });
    expect(all('--all').status).toBe(1);
  });
});
