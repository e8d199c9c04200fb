import { closeSync, openSync, statfsSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemReason } from '../blob/file-range.js';
import { isRundleError, RundleError } from '../errors.js';
import { detectCompression, SNIFF_LENGTH } from '../layer/compression.js';
import { gunzip, type ReadChunk } from '../layer/gzip.js';
import type { TarEntry } from '../layer/tar-entry.js';
import { TarReader } from '../layer/tar-reader.js';
import { unzstd } from '../layer/zstd.js';
import { toDisplay } from '../tree/byte-string.js';
import { type Archive, archiveOf } from './archive.js';
import type { SourceContext } from './transport.js';

/** More members than this no image has: manifest.json counts at most 4096 layers, of three members each in old archives. */
const MAX_MEMBERS = 65_536;
/** What may follow the archive's end, in bytes: writers fill up the last record, of 10 KiB as a rule. */
const MAX_TRAILER = 16 * 1024 * 1024;

const NO_ARCHIVE = 'it is no tar archive, neither plain nor compressed with gzip or zstd';
const EXPECTED = 'it takes what docker save, podman save or skopeo copy writes';
const ROOM = 'TMPDIR names the directory for temporary files';
/** The way out when a stream ended too early. */
export const CUT_OFF = 'what sends it was probably interrupted; send it again';

/** An archive that came as a stream, and whether it came to its end. */
export interface StreamedArchive {
  archive: Archive;
  /** False when the mark that ends an archive was missing: the stream may have been cut off between two members. */
  complete: boolean;
}

/**
 * Takes an archive that can be read once only, plain or compressed with gzip or zstd, to the spool directory, uncompressed and in one pass.
 * `read` gives its bytes, `source` is for messages ("standard input"), `announced` the number of bytes where it is known, for progress.
 *
 * Throws E_SOURCE when nothing comes, E_FORMAT for what is no sound archive or has no end, E_UNSUPPORTED for other compressions,
 * E_OUTPUT when the spool directory cannot take it; errors of `read` pass through.
 */
export async function spoolArchive(
  read: ReadChunk,
  source: string,
  context: SourceContext,
  announced?: number,
): Promise<StreamedArchive> {
  const where = `reading ${source}`;
  const input = new Input(read, (done) => {
    context.onProgress?.({ phase: 'verify', name: source, done, total: announced });
  });
  const start = await input.peek(SNIFF_LENGTH);
  if (start.length === 0) {
    throw new RundleError('E_SOURCE', `${where}: it is empty`, {
      hint: 'what should have sent an image has sent nothing: see what it says',
    });
  }
  const compression = detectCompression(start, where);
  const path = join(context.spoolDirectory, 'stream.tar');
  const spool = new Spool(path, where);
  try {
    if (compression === 'gzip') await gunzip(input.read, spool.take, where);
    else if (compression === 'zstd') await unzstd(input.read, spool.take, where);
    else await pump(input.read, spool.take);
    const complete = spool.finish();
    return { archive: archiveOf(source, path, spool.entries), complete };
  } catch (error) {
    throw isRundleError(error, 'E_FORMAT') ? withWayOut(error) : error;
  } finally {
    spool.close();
  }
}

function withWayOut({ code, message, hint = CUT_OFF }: RundleError): RundleError {
  return new RundleError(code, message, { hint });
}

async function pump(read: ReadChunk, sink: (chunk: Buffer) => void): Promise<void> {
  for (let chunk = await read(); chunk !== undefined; chunk = await read()) sink(chunk);
}

/** Counts what is read, and lets the start be looked at before. */
class Input {
  readonly #source: ReadChunk;
  readonly #onProgress: (done: number) => void;
  #ahead: Buffer | undefined;
  #done = 0;

  constructor(source: ReadChunk, onProgress: (done: number) => void) {
    this.#source = source;
    this.#onProgress = onProgress;
  }

  /** The first `length` bytes, fewer when there are no more; they are read again. */
  async peek(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let size = 0;
    while (size < length) {
      const chunk = await this.#source();
      if (chunk === undefined) break;
      parts.push(Buffer.from(chunk));
      size += chunk.length;
    }
    this.#ahead = Buffer.concat(parts);
    return this.#ahead.subarray(0, length);
  }

  read = async (): Promise<Buffer | undefined> => {
    const chunk = this.#ahead ?? (await this.#source());
    this.#ahead = undefined;
    if (chunk === undefined || chunk.length === 0) return undefined;
    this.#done += chunk.length;
    this.#onProgress(this.#done);
    return chunk;
  };
}

/** Writes the archive and makes its index on the way. Blocks: nothing else could go on before it is there. */
class Spool {
  readonly entries: TarEntry[] = [];
  readonly #path: string;
  readonly #where: string;
  readonly #descriptor: number;
  readonly #reader: TarReader;
  #trailer = 0;

  /** Throws E_OUTPUT. */
  constructor(path: string, where: string) {
    this.#path = path;
    this.#where = where;
    this.#reader = new TarReader(where, 0, this.#enter);
    this.#descriptor = this.#writing(() => openSync(path, 'wx', 0o600));
  }

  take = (chunk: Buffer): void => {
    if (this.#reader.skippable === Number.POSITIVE_INFINITY) {
      if (this.entries.length === 0) throw this.#fault(NO_ARCHIVE);
      this.#trailer += chunk.length;
      if (this.#trailer <= MAX_TRAILER) return;
      throw this.#fault(`more than ${MAX_TRAILER} bytes follow the end of the archive`);
    }
    try {
      this.#reader.push(chunk);
    } catch (error) {
      throw this.#explained(error);
    }
    this.#writing(() => {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#descriptor, chunk, at);
    });
  };

  /** Whether the mark at the end was there. Throws E_FORMAT when the archive ends inside of a member. */
  finish(): boolean {
    try {
      this.#reader.end();
    } catch (error) {
      throw this.#explained(error);
    }
    return this.#reader.skippable === Number.POSITIVE_INFINITY;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** Before anything of a member is written: what cannot fit is refused at once, and there is an end to members. */
  #enter = (entry: TarEntry): void => {
    this.entries.push(entry);
    if (this.entries.length > MAX_MEMBERS) {
      throw this.#fault(`the archive has more than ${MAX_MEMBERS} members, which no image has`);
    }
    const stored = entry.data.reduce((sum, { length }) => sum + length, 0);
    const { bavail, bsize } = this.#writing(() => statfsSync(dirname(this.#path)));
    if (stored <= bavail * bsize) return;
    throw new RundleError(
      'E_OUTPUT',
      `${this.#where}: ${toDisplay(entry.name)} in it has ${stored} bytes, ${dirname(this.#path)} has room for ${bavail * bsize}`,
      { hint: ROOM },
    );
  };

  /** What is wrong before there was a member means that it is something else altogether. */
  #explained(error: unknown): unknown {
    if (!isRundleError(error, 'E_FORMAT')) return error;
    if (this.entries.length === 0) return this.#fault(NO_ARCHIVE);
    return new RundleError(error.code, error.message, { cause: error, hint: CUT_OFF });
  }

  #fault(what: string): RundleError {
    return new RundleError('E_FORMAT', `${this.#where}: ${what}`, { hint: EXPECTED });
  }

  #writing<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      throw new RundleError(
        'E_OUTPUT',
        `${this.#where}: keeping it in ${this.#path}: ${systemReason(cause)}`,
        { cause, hint: ROOM },
      );
    }
  }
}
