import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { profiles } from '../e2e/support/profile.js';
import { endProcesses, mountsOf } from '../e2e/support/traces.js';
import { compare } from './support/compare.js';
import { makeScene, type Scene } from './support/situation.js';
import { groups } from './table.js';

/* What `--verify` promises, what a start turns out to be and what the table says are one and the same. */
let scene: Scene;
let mounts: string[];

beforeAll(() => {
  scene = makeScene();
  mounts = mountsOf(scene);
});

afterEach(() => endProcesses(scene));
afterAll(() => scene?.remove());

describe.each(Object.entries(groups))('%s', (_group, situations) => {
  describe.each(situations)('$name', (situation) => {
    const who = profiles.filter(({ name }) => situation.expected[name] !== undefined);
    test.each(who)('as $name', (profile) => compare(scene, situation, profile, mounts));
  });
});
