import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromText } from '#rundle/tree/byte-string.js';
import { readContent } from '#rundle/tree/content.js';
import { lookupFile } from '#rundle/tree/path.js';
import { faultOf, makeScratch, type Scratch, shell } from './support/scratch.js';
import { type SifFields, writeSif } from './support/sif-file.js';

let scratch: Scratch;

beforeAll(() => {
  scratch = makeScratch();
  shell(
    scratch.path(),
    `
mkdir -p root/.singularity.d/env root/bin empty
printf '#!/bin/sh\\nexec echo run "$@"\\n' > root/.singularity.d/runscript
printf '{"org.label-schema.name": "x", "number": 7, "__proto__": "odd"}' > root/.singularity.d/labels.json
mksquashfs root image.squashfs -quiet -no-progress -comp gzip
mksquashfs empty empty.squashfs -quiet -no-progress -comp gzip
sha256sum image.squashfs | cut -c 1-64 > digest`,
  );
  writeSif(scratch.path('image.sif'), scratch.path('image.squashfs'));
});

afterAll(() => scratch.remove());

/** An image with something wrong. */
function changed(fields: SifFields): string {
  const path = scratch.path('changed.sif');
  writeSif(path, scratch.path('image.squashfs'), fields);
  return path;
}

describe('an Apptainer image', () => {
  it('starts through its environment scripts and its runscript', async () => {
    const { root, config, provenance, omissions, start } = await scratch.load(
      `sif:${scratch.path('image.sif')}`,
    );
    expect(config).toMatchObject({ os: 'linux', architecture: 'amd64', env: [], cmd: undefined });
    expect(config.entrypoint).toEqual([
      '/bin/sh',
      '-c',
      expect.stringMatching(/\/\.singularity\.d\/env\/\*\.sh.*exec "\$0" "\$@"$/),
      '/.singularity.d/runscript',
    ]);
    expect(Object.entries(config.labels)).toEqual([
      ['org.label-schema.name', 'x'],
      ['__proto__', 'odd'],
    ]);
    const digest = readFileSync(scratch.path('digest'), 'utf8').trim();
    expect(provenance).toEqual({ transport: 'sif', diffIds: [`sha256:${digest}`] });
    expect([omissions, start]).toEqual([[], undefined]);
    const script = lookupFile(root, fromText('.singularity.d/runscript'));
    expect(script).toBeDefined();
    if (script === undefined) return;
    expect((await readContent(script, 0, script.size)).toString()).toContain('exec echo run');
  });

  it('needs no transport before its name', async () => {
    const { provenance } = await scratch.load(scratch.path('image.sif'));
    expect(provenance.transport).toBe('sif');
  });

  it('says what it was built for', async () => {
    const arm = changed({ arch: '04' });
    expect((await scratch.load(arm)).config.architecture).toBe('arm64');
    const platform = { os: 'linux', architecture: 'amd64' };
    expect(await faultOf(scratch.load(arm, { platform }))).toMatch(/^E_PLATFORM /);
  });

  it('starts a shell when it has no runscript', async () => {
    writeSif(scratch.path('none.sif'), scratch.path('empty.squashfs'));
    const { config } = await scratch.load(scratch.path('none.sif'));
    expect([config.entrypoint, config.labels]).toEqual([undefined, {}]);
  });

  it('loses labels that are damaged, and says so', async () => {
    shell(
      scratch.path(),
      `cp -a root bad; echo '{' > bad/.singularity.d/labels.json
       mksquashfs bad bad.squashfs -quiet -no-progress`,
    );
    writeSif(scratch.path('bad.sif'), scratch.path('bad.squashfs'));
    const { config, omissions } = await scratch.load(scratch.path('bad.sif'));
    expect(config.labels).toEqual({});
    expect(omissions).toEqual([
      { path: '.singularity.d/labels.json', what: expect.stringMatching(/^Apptainer's labels: /) },
    ]);
  });

  it.each<[string, SifFields, RegExp]>([
    ['ext3', { fileSystem: 2 }, /^E_UNSUPPORTED .*system partition is ext3, not SquashFS \| /],
    ['encrypted', { fileSystem: 5 }, /^E_UNSUPPORTED .*is encrypted SquashFS/],
    ['data only', { type: 3 }, /^E_UNSUPPORTED .*it has no system partition/],
    ['deleted', { used: false }, /^E_UNSUPPORTED .*it has no system partition/],
    ['another version', { version: '02' }, /^E_UNSUPPORTED .*SIF image of version 02/],
    ['too large', { sizeError: 5000 }, /^E_FORMAT .*partition of \d+ bytes would be at byte 36864/],
    ['too small', { sizeError: -4000 }, /^E_FORMAT .*it is cut off|^E_FORMAT .*cut off/],
    ['negative size', { sizeError: -1e12 }, /^E_FORMAT .*partition of -\d+ bytes/],
    ['too many parts', { descriptors: 1n << 40n }, /^E_FORMAT .*it has 1099511627776 parts/],
    ['fewer than none', { descriptors: -1n }, /^E_FORMAT .*it has -1 parts/],
    ['a table outside', { tableOffset: 1n << 50n }, /^E_FORMAT .*its table would be at byte/],
  ])('is refused: %s', async (_, fields, message) => {
    expect(await faultOf(scratch.load(changed(fields)))).toMatch(message);
  });

  it('is refused when it is cut off or something else', async () => {
    const path = scratch.path('short.sif');
    copyFileSync(scratch.path('image.sif'), path);
    truncateSync(path, 37_000);
    expect(await faultOf(scratch.load(path))).toMatch(/^E_FORMAT .*is cut off or damaged/);
    truncateSync(path, 100);
    expect(await faultOf(scratch.load(path))).toMatch(/^E_FORMAT reading sif:.*it is no SIF image/);
    writeFileSync(path, Buffer.alloc(5000, 'text'));
    expect(await faultOf(scratch.load(path))).toMatch(/^E_FORMAT .*it is no SIF image/);
    expect(await faultOf(scratch.load('sif:/nowhere.sif'))).toMatch(/^E_SOURCE /);
  });
});
