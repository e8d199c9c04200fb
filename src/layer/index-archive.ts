import type { Hash } from 'node:crypto';
import type { Arrival } from '../blob/arrival.js';
import { RundleError } from '../errors.js';
import {
  algorithmOf,
  type Digest,
  type DigestAlgorithm,
  digestOfHash,
  hashFor,
} from '../oci/digest.js';
import { type ArchivePass, passThrough } from './archive-pass.js';
import type { Compression } from './compression.js';
import type { ArchiveIndex, IndexJob, ReadyBlock } from './index-job.js';
import { ReadyBlocks } from './ready-blocks.js';
import { SpoolFile } from './spool-file.js';
import type { TarEntry } from './tar-entry.js';
import { TarReader } from './tar-reader.js';

/**
 * Verifies, decompresses, hashes, spools and indexes one archive in a single pass. `onProgress` gets the number of stored
 * bytes read so far, `onBlock` what the job wants to be told of. With an `arrival` the archive is read while it comes. Meant for a worker thread: hashing and writing block.
 *
 * When several things are wrong the first cause is reported: wrong stored bytes (E_DIGEST) before what decoding them led to
 * (E_FORMAT), that before a wrong diffID (E_DIGEST), and that before what the index found (E_FORMAT, E_LAYER).
 */
export async function indexArchive(
  job: IndexJob,
  onProgress: (done: number) => void,
  onBlock: (block: ReadyBlock) => void = () => {},
  arrival?: Arrival,
): Promise<ArchiveIndex> {
  const where = `reading ${job.name}`;
  const announced = { digest: job.digest, size: job.size };
  const open = (compression: Compression) => new IndexPass(job, where, compression, onBlock);
  return passThrough(job.file, announced, where, open, onProgress, arrival);
}

/** What happens to the uncompressed bytes. */
class IndexPass implements ArchivePass<ArchiveIndex> {
  readonly #job: IndexJob;
  readonly #where: string;
  readonly #algorithm: DigestAlgorithm;
  readonly #hash: Hash;
  readonly #entries: TarEntry[] = [];
  readonly #reader: TarReader;
  readonly #spool: SpoolFile | undefined;
  /** Where the archive can be read afterwards. */
  readonly #path: string | undefined;
  readonly #blocks: ReadyBlocks | undefined;
  #size = 0;
  #indexFault: unknown;

  constructor(
    job: IndexJob,
    where: string,
    compression: Compression,
    onBlock: (block: ReadyBlock) => void,
  ) {
    this.#job = job;
    this.#where = where;
    this.#algorithm = job.diffId === undefined ? 'sha256' : algorithmOf(job.diffId);
    this.#hash = hashFor(this.#algorithm);
    const isPlain = compression === 'none' && job.file.mayChange !== true;
    const origin = isPlain ? job.file.offset : 0;
    this.#path = isPlain ? job.file.path : job.spool;
    const { blockSize } = job;
    if (this.#path !== undefined && blockSize !== undefined) {
      this.#blocks = new ReadyBlocks(this.#path, origin, blockSize, onBlock);
    }
    this.#reader = new TarReader(where, origin, (entry) => {
      this.#entries.push(entry);
      this.#blocks?.entry(entry);
    });
    if (!isPlain && job.spool !== undefined) this.#spool = new SpoolFile(job.spool, where);
  }

  get writeFault(): unknown {
    return this.#spool?.fault;
  }

  take = (chunk: Buffer): void => {
    this.#hash.update(chunk);
    this.#spool?.write(chunk);
    this.#size += chunk.length;
    if (this.#indexFault !== undefined) return;
    try {
      this.#reader.push(chunk);
      this.#blocks?.readable(this.#size);
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
    return {
      entries: this.#entries,
      path: this.#path,
      file: this.#job.file,
      size: this.#size,
      diffId,
      spooled: this.#spool !== undefined,
    };
  }

  close(): void {
    this.#spool?.close();
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
}
