import type { Hash } from 'node:crypto';
import { RundleError } from '../errors.js';
import { algorithmOf, type DigestAlgorithm, digestOfHash, hashFor } from '../oci/digest.js';
import { type ArchivePass, passThrough } from './archive-pass.js';
import type { ExtractJob } from './index-job.js';
import { SpoolFile } from './spool-file.js';

/**
 * Uncompresses an archive once more, verifies it as a whole and keeps the parts that are wanted: in a file, or in the bytes that it gives. Meant for a worker thread.
 * Throws E_DIGEST when it is no longer the archive that was indexed, E_FORMAT and E_SOURCE when it cannot be read any more, E_OUTPUT.
 */
export async function extractArchive(job: ExtractJob): Promise<Uint8Array | undefined> {
  const where = `reading ${job.name} again`;
  return passThrough(
    job.file,
    {},
    where,
    () => new ExtractPass(job, where),
    () => undefined,
  );
}

class ExtractPass implements ArchivePass<Uint8Array | undefined> {
  readonly #job: ExtractJob;
  readonly #where: string;
  readonly #algorithm: DigestAlgorithm;
  readonly #hash: Hash;
  readonly #file: SpoolFile | undefined;
  readonly #memory: Uint8Array | undefined;
  /** Bytes that `memory` holds. */
  #kept = 0;
  /** Offset of the next byte in the archive, and the first range that is not behind it. */
  #position = 0;
  #next = 0;

  constructor(job: ExtractJob, where: string) {
    this.#job = job;
    this.#where = where;
    this.#algorithm = algorithmOf(job.diffId);
    this.#hash = hashFor(this.#algorithm);
    if (job.target !== undefined) this.#file = new SpoolFile(job.target, where);
    else
      this.#memory = new Uint8Array(job.ranges.reduce((sum, { from, to }) => sum + to - from, 0));
  }

  get writeFault(): unknown {
    return this.#file?.fault;
  }

  take = (chunk: Buffer): void => {
    this.#hash.update(chunk);
    const start = this.#position;
    const end = start + chunk.length;
    this.#position = end;
    for (;;) {
      const range = this.#job.ranges[this.#next];
      if (range === undefined || range.from >= end) return;
      const from = Math.max(range.from, start);
      const to = Math.min(range.to, end);
      this.#keep(chunk.subarray(from - start, to - start), from);
      if (range.to > end) return;
      this.#next += 1;
    }
  };

  finish(): Uint8Array | undefined {
    const { diffId, file } = this.#job;
    const actual = digestOfHash(this.#hash, this.#algorithm);
    if (actual === diffId) return this.#memory;
    throw new RundleError(
      'E_DIGEST',
      `${this.#where}: ${file.path} uncompressed has the diffID ${actual}, before it had ${diffId}`,
      { hint: 'the image was changed meanwhile: build again' },
    );
  }

  close(): void {
    this.#file?.close();
  }

  #keep(bytes: Uint8Array, position: number): void {
    this.#file?.write(bytes, position);
    this.#memory?.set(bytes, this.#kept);
    this.#kept += bytes.length;
  }
}
