import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { profiles, runAs } from './support/profile.js';
import { build, makeRootfs, makeWorkplace, rundle, type Workplace } from './support/workplace.js';

let place: Workplace;
let bundle: string;

/** Noise in the middle of the contents, most of which are one file. */
beforeAll(() => {
  place = makeWorkplace();
  const rootfs = join(place.directory, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  const lines = Array.from({ length: 1_500_000 }, (_, i) => `${(i * 7919) % 1_000_003}\n`);
  writeFileSync(join(rootfs, 'opt/data/numbers'), lines.join(''));
  bundle = join(place.directory, 'x.run');
  build(`dir:${rootfs}`, bundle, '--env', 'PATH=/bin');
  const [node, cli] = rundle;
  const shown = execFileSync(node, [cli, 'inspect', '--json', bundle], { encoding: 'utf8' });
  const { sections } = JSON.parse(shown) as { sections: { name: string; offset: number }[] };
  const payload = sections.find(({ name }) => name === 'payload')?.offset ?? 0;
  const bytes = readFileSync(bundle);
  const inodes = Number(bytes.readBigUInt64LE(payload + 64));
  expect(inodes).toBeGreaterThan(1 << 20);
  const from = payload + inodes - (inodes >> 2);
  bytes.fill('damage!', from, from + 70_000);
  writeFileSync(bundle, bytes, { mode: 0o755 });
});

afterAll(() => place?.remove());

const environment = () => ({ ...process.env, TMPDIR: place.scratch });

test.each(profiles)(
  'damaged contents give $name EIO, and nothing else suffers',
  async (profile) => {
    const script = 'cat /opt/data/numbers > /tmp/out; echo $?; cat /opt/data/file';
    const argv = [bundle, '-q', '--mode', 'mount', 'sh', '-c', script];
    const { status, stdout, stderr } = await runAs(profile, argv, { env: environment() });
    expect(stderr).toMatch(/Input\/output error/);
    expect(stdout).toBe('1\nfrom the image\n');
    expect(status).toBe(0);
  },
);

test('--check says which file it is and where, in text and as JSON', async () => {
  for (const profile of profiles) {
    const text = await runAs(profile, [bundle, '--check'], { env: environment() });
    expect(text.status).toBe(1);
    expect(text.stdout).toMatch(/payload at \d+: the SHA-256 of its \d+ bytes is/);
    expect(text.stdout).toMatch(
      /payload at \d+: \/opt\/data\/numbers: the payload is corrupt: data block at \d+: /,
    );
  }
  const json = await runAs(profiles[0], [bundle, '--check', '--json'], { env: environment() });
  const { ok, faults } = JSON.parse(json.stdout) as { ok: boolean; faults: { message: string }[] };
  expect(ok).toBe(false);
  expect(faults.some(({ message }) => message.includes('/opt/data/numbers'))).toBe(true);
});
