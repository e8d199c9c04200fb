import { randomBytes } from 'node:crypto';
import { type BuiltImage, buildOciLayout } from '../../fixtures/image-builder.js';
import { tarArchive } from '../../layer/tar-builder.js';

/** The bytes of the largest layer's file: they do not compress, so that a download of it can be cut in the middle. */
export const LARGE = 3_000_000;

/** An OCI layout of three layers, one of them large. */
export function sampleLayout(directory: string): BuiltImage {
  return buildOciLayout(
    directory,
    [
      {
        tar: tarArchive([
          { name: 'bin/', type: '5', mode: 0o755 },
          { name: 'bin/app', content: '#!/bin/sh\necho hello\n', mode: 0o755 },
        ]),
        compression: 'gzip',
      },
      {
        tar: tarArchive([{ name: 'large', content: randomBytes(LARGE) }]),
        compression: 'gzip',
      },
      { tar: tarArchive([{ name: 'text', content: 'some text\n'.repeat(2000) }]) },
    ],
    { config: { Entrypoint: ['/bin/app'], Env: ['A=b'] } },
    'v1',
  );
}
