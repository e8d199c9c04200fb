import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from '#rundle/bundle/architecture.js';
import type { AssembleRequest, BundlePlatform, WrittenPayload } from '#rundle/bundle/assemble.js';
import type { ByteString } from '#rundle/tree/byte-string.js';

const bytes = (text: string) => text as ByteString;

/** A directory with launchers of both architectures that were really linked. */
export interface Workshop {
  directory: string;
  launcherFile(architecture: Architecture): string;
  remove(): void;
}

export function makeWorkshop(): Workshop {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-bundle-'));
  const source = join(directory, 'launcher.c');
  writeFileSync(source, 'void _start(void) { for (;;); }\n');
  const options = ['-static', '-nostdlib', '-nostartfiles', '-s', '-o'];
  const launcherFile = (architecture: Architecture) => join(directory, `launcher-${architecture}`);
  for (const architecture of ['x86_64', 'aarch64'] as const) {
    const compiler = `${architecture}-linux-gnu-gcc`;
    execFileSync(compiler, [...options, launcherFile(architecture), source]);
  }
  return { directory, launcherFile, remove: () => rmSync(directory, { recursive: true }) };
}

/** A writer of payloads that are not SquashFS. */
export function payloadOf(content: Buffer) {
  return async (output: FileHandle, start: number): Promise<WrittenPayload> => {
    await output.write(content, 0, content.length, start);
    return {
      size: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      inodes: 3,
      contentBytes: 20_000,
      duplicateBytes: 5,
      omissions: [{ path: bytes('bad\xff/name'), what: 'POSIX ACL' }],
    };
  };
}

export const PAYLOAD = Buffer.alloc(9000, 'payload ');

/** An image that is started with odd words. */
export function platform(architecture: Architecture): BundlePlatform {
  return {
    architecture,
    launch: {
      entrypoint: [bytes('/bin/sh'), bytes('-c')],
      cmd: [bytes('\xff')],
      env: [bytes('PATH=/bin'), bytes(`EVIL='$(id)\n`)],
      workdir: bytes('/'),
      rc: false,
      mounts: [],
      mountHome: false,
      mountCwd: false,
      require: [],
    },
    image: {
      labels: { z: 'last', a: '`id`', é: '"' },
      provenance: { transport: 'oci', reference: 'latest', diffIds: [`sha256:${'1'.repeat(64)}`] },
      config: { user: '', exposedPorts: ['80/tcp'], volumes: ['/data'] },
    },
  };
}

export function request(
  workshop: Workshop,
  output: string,
  change: Partial<AssembleRequest> = {},
): AssembleRequest {
  return {
    output,
    platforms: [platform('x86_64')],
    description: {
      rundle: '0.1.0',
      description: `it's "$(id)"\n`,
      overrides: ['env PATH'],
      payload: { blockSize: 131_072, level: 9 },
      omissions: [{ path: bytes('dev/x'), what: 'mtime before 1970' }],
    },
    writePayload: payloadOf(PAYLOAD),
    launcherFile: workshop.launcherFile,
    auxiliaryDirectory: join(workshop.directory, 'no programs'),
    ...change,
  };
}
