import type { Hash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { BlobReader } from '../blob/blob-reader.js';
import { systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  digestOfHash,
  hashFor,
} from '../oci/digest.js';
import { type Compression, detectCompression, SNIFF_LENGTH } from './compression.js';
import { gunzip, type ReadChunk, type Sink } from './gzip.js';
import type { ArchiveIndex, IndexJob } from './index-job.js';
import type { TarEntry } from './tar-entry.js';
import { TarReader } from './tar-reader.js';
import { unzstd } from './zstd.js';

/**
 * Verifies, decompresses, hashes, spools and indexes one archive in a single pass. `onProgress` gets the number of stored
 * bytes read so far. Meant for a worker thread: hashing and writing block.
 *
 * When several things are wrong the first cause is reported: wrong stored bytes (E_DIGEST) before what decoding them led to
 * (E_FORMAT), that before a wrong diffID (E_DIGEST), and that before what the index found (E_FORMAT, E_LAYER).
 */
export async function indexArchive(
  job: IndexJob,
  onProgress: (done: number) => void,
): Promise<ArchiveIndex> {
  const where = `reading ${job.name}`;
  const reader = await BlobReader.open(job.file, { digest: job.digest, size: job.size }, where);
  try {
    const first = await reader.read();
    const start = first?.subarray(0, SNIFF_LENGTH) ?? new Uint8Array(0);
    const compression = detectCompression(start, where);
    const pass = new IndexPass(job, where, compression);
    let pending = first;
    const read = async () => {
      const chunk = pending ?? (await reader.read());
      pending = undefined;
      onProgress(reader.done);
      return chunk;
    };
    try {
      await decode(compression, read, pass.take, where).catch(async (fault: unknown) => {
        if (pass.writeFault === undefined) await reader.verify();
        throw fault;
      });
      await reader.verify();
      return pass.finish();
    } finally {
      pass.close();
    }
  } finally {
    await reader.close();
  }
}

async function decode(
  compression: Compression,
  read: ReadChunk,
  sink: Sink,
  where: string,
): Promise<void> {
  if (compression === 'gzip') return gunzip(read, sink, where);
  if (compression === 'zstd') return unzstd(read, sink, where);
  for (let chunk = await read(); chunk !== undefined; chunk = await read()) sink(chunk);
}

/** What happens to the uncompressed bytes. */
class IndexPass {
  readonly #job: IndexJob;
  readonly #where: string;
  readonly #algorithm: DigestAlgorithm;
  readonly #hash: Hash;
  readonly #entries: TarEntry[] = [];
  readonly #reader: TarReader;
  readonly #spool: number | undefined;
  #indexFault: unknown;
  writeFault: unknown;

  constructor(job: IndexJob, where: string, compression: Compression) {
    this.#job = job;
    this.#where = where;
    this.#algorithm = job.diffId === undefined ? 'sha256' : algorithmOf(job.diffId);
    this.#hash = hashFor(this.#algorithm);
    const usesSpool = compression !== 'none' || job.file.mayChange === true;
    const origin = usesSpool ? 0 : job.file.offset;
    this.#reader = new TarReader(where, origin, (entry) => this.#entries.push(entry));
    this.#spool = usesSpool ? this.#openSpool() : undefined;
  }

  take = (chunk: Buffer): void => {
    this.#hash.update(chunk);
    this.#write(chunk);
    if (this.#indexFault !== undefined) return;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      // Kept until the digests are known: wrong bytes are the better explanation.
      this.#indexFault = error;
    }
  };

  finish(): ArchiveIndex {
    const diffId = digestOfHash(this.#hash, this.#algorithm);
    this.#checkDiffId(diffId);
    if (this.#indexFault !== undefined) throw this.#indexFault;
    this.#reader.end();
    const spooled = this.#spool !== undefined;
    const path = spooled ? this.#job.spool : this.#job.file.path;
    return { entries: this.#entries, path, diffId, spooled };
  }

  close(): void {
    if (this.#spool !== undefined) closeSync(this.#spool);
  }

  #checkDiffId(actual: Digest): void {
    const { diffId, file } = this.#job;
    if (diffId === undefined || diffId === actual) return;
    throw new RundleError(
      'E_DIGEST',
      `${this.#where}: ${file.path} uncompressed has the diffID ${actual}, the image config says ${diffId}`,
      { hint: 'the image is damaged; get it again' },
    );
  }

  #openSpool(): number {
    try {
      return openSync(this.#job.spool, 'wx', 0o600);
    } catch (error) {
      throw this.#spoolFault(error);
    }
  }

  #write(chunk: Buffer): void {
    if (this.#spool === undefined) return;
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#spool, chunk, at);
    } catch (error) {
      this.writeFault = this.#spoolFault(error);
      throw this.writeFault;
    }
  }

  #spoolFault(cause: unknown): RundleError {
    return new RundleError(
      'E_OUTPUT',
      `${this.#where}: uncompressing it to ${this.#job.spool}: ${systemReason(cause)}`,
      { cause, hint: 'TMPDIR names the directory for temporary files' },
    );
  }
}
