import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import type { BuiltImage } from '../../fixtures/image-builder.js';
import { type Contents, contentsOf } from './fake-registry.js';
import { sampleLayout } from './sample.js';
import { closeServers } from './server.js';
import { Vault } from './vault.js';

/** What the tests of one file pull: the sample image, and a directory that goes when they are done. */
export interface SampleContents {
  top: string;
  built: BuiltImage;
  contents: Contents;
}

/** The sample for the tests of the file that calls it; servers that one of them starts are closed after it. */
export function makeSample(name: string): SampleContents {
  const top = mkdtempSync(join(tmpdir(), `rundle-${name}-`));
  afterAll(() => rmSync(top, { recursive: true, force: true }));
  afterEach(closeServers);
  const layout = join(top, 'layout');
  return { top, built: sampleLayout(layout), contents: contentsOf(layout) };
}

/** A vault that is empty before each test of the file that calls it; a test that gave away a secret fails. */
export function watchedVault(): Vault {
  const vault = new Vault();
  beforeEach(() => vault.clear());
  afterEach(async () => {
    await closeServers();
    expect(vault.strays).toEqual([]);
  });
  return vault;
}
