import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { type Outcome, type Profile, runAs } from '../../e2e/support/profile.js';
import { mountsOf, processesOf } from '../../e2e/support/traces.js';
import { modesIn, promised, started, witness } from './agreement.js';
import type { Scene, Situation } from './situation.js';

/** Run the bundle of a scene in a situation. */
function run(
  scene: Scene,
  situation: Situation,
  profile: Profile,
  argv: readonly string[],
): Promise<Outcome> {
  const words = [
    ...scene.host,
    ...(situation.outside?.(scene, profile) ?? []),
    ...(situation.switches ? [] : profile.prefix),
    ...(situation.inside?.(scene, profile) ?? []),
    ...(situation.shell ?? []),
    scene.bundle,
    ...argv,
  ];
  const [command = '', ...rest] = words;
  return runAs({ ...profile, prefix: [command] }, rest, {
    env: scene.environment(profile),
    cwd: scene.candidates(profile)['the current directory'],
  });
}

/** What starts in a scene have left, once all of it had ten seconds to go. */
async function remains(scene: Scene, mounts: readonly string[]): Promise<string[]> {
  const end = Date.now() + 10_000;
  for (;;) {
    const found = [
      ...scene.left(),
      ...processesOf(scene).map(({ pid, command }) => `process ${pid}: ${command}`),
      ...mountsOf(scene).filter((line) => !mounts.includes(line)),
    ];
    if (found.length === 0 || Date.now() > end) return found;
    await sleep(10);
  }
}

/**
 * Compare what is expected of a situation with what `--verify` promises and with what a start turns out to be, for
 * the tier that is chosen and for each that `--mode` can force. Nothing may be left of it, and no mount but `mounts`.
 */
export async function compare(
  scene: Scene,
  situation: Situation,
  profile: Profile,
  mounts: readonly string[],
): Promise<void> {
  const start = (...options: string[]) =>
    run(scene, situation, profile, [...options, '--', ...witness]);
  const verify = await run(scene, situation, profile, ['--verify', '--json']);
  expect(await remains(scene, mounts), 'left by --verify').toEqual([]);
  const plain = await start();
  const found = { promised: promised(verify), started: started(plain) };
  const expected = situation.expected[profile.name];
  expect(found, `${verify.stdout}${plain.stderr}`).toEqual({
    promised: expected,
    started: expected,
  });
  if (expected !== 'nowhere') {
    for (const [tier, works] of Object.entries(modesIn(verify))) {
      const forced = await start('--mode', tier);
      expect(started(forced), `--mode ${tier}: ${forced.stderr}`).toBe(works ? tier : 'none');
    }
  }
  expect(await remains(scene, mounts), 'left by a start').toEqual([]);
}
