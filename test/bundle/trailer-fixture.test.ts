import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkBundle } from '#rundle/bundle/check.js';
import { encodeFooter } from '#rundle/bundle/footer.js';
import { encodeLaunchConfig, type LaunchConfig } from '#rundle/bundle/launch-config.js';
import { encodeManifest } from '#rundle/bundle/manifest.js';
import { openBundle } from '#rundle/bundle/read.js';
import type { Section } from '#rundle/bundle/section.js';
import { encodeTable, tableSize } from '#rundle/bundle/table.js';
import type { ByteString } from '#rundle/tree/byte-string.js';

// The hex text and the expected values are snapshots: `npx vitest run test/bundle/trailer-fixture.test.ts -u`
// writes them again after a change of the format that stub/README.md tells.
const FOLDER = join(import.meta.dirname, '../fixtures/trailer');
const TAIL_OFFSET = 73_728;

const bytes = (text: string) => text as ByteString;
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

const PAYLOAD = Buffer.alloc(8192);
const CONFIGS: LaunchConfig[] = (['x86_64', 'aarch64'] as const).map((architecture) => ({
  architecture,
  payload: 0,
  root: bytes('/'),
  id: sha256(PAYLOAD),
  size: 5_000_000_000,
  inodes: 70_000,
  name: bytes("it's a \xff name"),
  entrypoint: [bytes('/bin/sh'), bytes('-c')],
  cmd: [bytes(''), bytes('echo "$HOME"\nid'), bytes('\xe9')],
  env: [bytes('PATH=/usr/bin:/bin'), bytes('EMPTY='), bytes('A=b=c\xff')],
  workdir: bytes('/work dir'),
  rc: architecture === 'x86_64',
  mounts: [bytes('/data:/data:ro'), bytes('tmpfs /scratch tmpfs size=1g')],
  ...(architecture === 'x86_64' ? { target: bytes('$' + '{HOME}/tree') } : {}),
  mountHome: architecture === 'aarch64',
  mountCwd: false,
  require: [],
}));

/** What lies before the tail is zeros, so the file is a hole and the tail, and yet every hash is right. */
function makeTail(): {
  tail: Buffer;
  sections: Section[];
  footer: Parameters<typeof encodeFooter>[0];
} {
  const sections: Section[] = [];
  const zeros = (kind: number, machine: number, offset: number, size: number) =>
    sections.push({
      kind,
      machine,
      required: kind === 3,
      index: 0,
      offset,
      size,
      sha256: sha256(Buffer.alloc(size)),
    });
  zeros(1, 0, 0, 4096);
  zeros(2, 62, 4096, 5000);
  zeros(2, 183, 12_288, 4097);
  zeros(3, 0, 65_536, PAYLOAD.length);

  const parts: Buffer[] = [];
  let end = TAIL_OFFSET;
  const add = (data: Buffer, kind: number, machine: number, required: boolean) => {
    const hash = sha256(data);
    sections.push({
      kind,
      machine,
      required,
      index: 0,
      offset: end,
      size: data.length,
      sha256: hash,
    });
    parts.push(data);
    end += data.length;
  };
  for (const config of CONFIGS) {
    const later = Buffer.from('of-a-later-version=ignored\0');
    add(
      Buffer.concat([encodeLaunchConfig(config), later]),
      4,
      config.architecture === 'x86_64' ? 62 : 183,
      true,
    );
  }
  add(
    encodeManifest({
      schema: 1,
      rundle: '0.1.0',
      name: 'fixture',
      labels: {},
      architectures: ['x86_64', 'aarch64'],
      provenance: { transport: 'oci', diffIds: [] },
      config: {
        entrypoint: [],
        cmd: [],
        env: [],
        workdir: '/',
        user: '',
        exposedPorts: [],
        volumes: [],
      },
      overrides: [],
      payload: {
        blockSize: 131_072,
        level: 9,
        inodes: 70_000,
        contentBytes: 5_000_000_000,
        duplicateBytes: 0,
      },
      omissions: [],
      omissionCount: 0,
      launchers: [],
    }),
    5,
    0,
    false,
  );
  add(Buffer.from('of a later version'), 99, 0, false);
  parts.push(Buffer.alloc(7));
  end += 7;

  const table = encodeTable(sections);
  expect(table.length).toBe(tableSize(sections.length));
  const footer = {
    tableOffset: end,
    tableSize: table.length,
    tableSha256: sha256(table),
    fileSize: end + table.length + 128,
  };
  return { tail: Buffer.concat([...parts, table, encodeFooter(footer)]), sections, footer };
}

function expectedLines(): string {
  const { sections, footer } = makeTail();
  const lines = [
    `tail_offset=${TAIL_OFFSET}`,
    `file_size=${footer.fileSize}`,
    `table_offset=${footer.tableOffset}`,
    `table_size=${footer.tableSize}`,
    `table_sha256=${footer.tableSha256}`,
    `sections=${sections.length}`,
  ];
  for (const [i, { kind, machine, required, index, offset, size, sha256 }] of sections.entries()) {
    lines.push(
      `section.${i}.kind=${kind}`,
      `section.${i}.arch=${machine}`,
      `section.${i}.flags=${Number(required)}`,
      `section.${i}.index=${index}`,
      `section.${i}.offset=${offset}`,
      `section.${i}.size=${size}`,
      `section.${i}.sha256=${sha256}`,
    );
  }
  for (const config of CONFIGS) {
    const key = `config.${config.architecture}`;
    const hex = (value: string) => Buffer.from(value, 'latin1').toString('hex');
    const list = (name: string, values: readonly ByteString[]) => [
      `${key}.${name}=${values.length}`,
      ...values.map((value, i) => `${key}.${name}.${i}.hex=${hex(value)}`),
    ];
    lines.push(
      `${key}.payload=${config.payload}`,
      `${key}.root=${config.root}`,
      `${key}.id=${config.id}`,
      `${key}.size=${config.size}`,
      `${key}.inodes=${config.inodes}`,
      `${key}.name.hex=${hex(config.name)}`,
      ...list('entrypoint', config.entrypoint),
      ...list('cmd', config.cmd),
      ...list('env', config.env),
      `${key}.workdir=${config.workdir}`,
      `${key}.rc=${Number(config.rc)}`,
      ...list('mount', config.mounts),
      ...(config.target === undefined ? [] : [`${key}.target=${config.target}`]),
      `${key}.mount-home=${Number(config.mountHome)}`,
      `${key}.mount-cwd=${Number(config.mountCwd)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

test('encoding gives the fixture, byte for byte', async () => {
  const hex = makeTail()
    .tail.toString('hex')
    .replace(/.{1,64}/g, '$&\n');
  await expect(hex).toMatchFileSnapshot(join(FOLDER, 'tail.hex'));
  await expect(expectedLines()).toMatchFileSnapshot(join(FOLDER, 'expected.txt'));
});

test('the fixture decodes to the expected values', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rundle-trailer-'));
  try {
    const path = join(folder, 'fixture.run');
    const hex = readFileSync(join(FOLDER, 'tail.hex'), 'latin1').replaceAll('\n', '');
    writeFileSync(path, Buffer.concat([Buffer.alloc(TAIL_OFFSET), Buffer.from(hex, 'hex')]));
    const bundle = await openBundle(path);
    expect(bundle.launchConfigs).toEqual(CONFIGS);
    expect(bundle.sections).toEqual(makeTail().sections);
    expect(bundle.manifest.payload.contentBytes).toBe(5_000_000_000);
    expect(await checkBundle(path)).toEqual([]);

    const expected = new Map(
      readFileSync(join(FOLDER, 'expected.txt'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(expected.get('file_size')).toBe(String(bundle.size));
    expect(expected.get('section.6.kind')).toBe('5');
    expect(expected.get('config.x86_64.env.2.hex')).toBe(
      Buffer.from('A=b=c\xff', 'latin1').toString('hex'),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
