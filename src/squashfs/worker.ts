import { parentPort, workerData } from 'node:worker_threads';
import type { Compressor, Decode } from '../decoder/decode.js';
import { loadDecoder } from '../decoder/decoder.js';
import { reasonOf } from '../errors.js';
import { type Compress, loadCodec } from './codec.js';
import { digestContent } from './content-digest.js';
import { ContentError, ContentReader } from './content-reader.js';
import { type BlockRequest, type Job, type Reply, STORED_RAW, type WorkerSetup } from './job.js';

/** A packing worker: reads contents, compresses or digests them, and answers jobs in the order they come. */

const setup = workerData as WorkerSetup;
const decoders = new Map<Compressor, Decode>();
const reader = new ContentReader(decoders);
const size = Math.max(setup.blockSize, 8192);
const scratch = Buffer.allocUnsafe(size);
const zeros = Buffer.alloc(size);
const compress = await loadCodec();

/** The job before; the next one waits for it. */
let turn = Promise.resolve();
parentPort?.on('message', (job: Job) => {
  turn = turn.then(async () => send(job.kind === 'prepare' ? await prepare(job) : answer(job)));
});

function send(reply: Reply): void {
  const transfer = reply.kind === 'packed' ? [reply.data.buffer as ArrayBuffer] : [];
  parentPort?.postMessage(reply, transfer);
}

async function prepare(job: { decoders: readonly Compressor[] }): Promise<Reply> {
  for (const name of job.decoders) decoders.set(name, await loadDecoder(name));
  return { kind: 'prepared' };
}

function answer(job: Exclude<Job, { kind: 'prepare' }>): Reply {
  try {
    if (job.kind === 'pack') return pack(job.blocks, compress);
    return {
      kind: 'digests',
      digests: job.contents.map((content) => digestContent(reader, content)),
    };
  } catch (error) {
    const { file, code } =
      error instanceof ContentError ? error : { file: undefined, code: 'E_UNSUPPORTED' as const };
    return { kind: 'fault', file, reason: reasonOf(error), code };
  }
}

function pack(blocks: readonly BlockRequest[], compress: Compress): Reply {
  const words: number[] = [];
  const stored: Uint8Array[] = [];
  let total = 0;
  for (const block of blocks) {
    if (block.copy !== undefined) {
      const { copy } = block;
      stored.push(reader.readStored(copy, block.pieces[0]?.file ?? 0));
      words.push(copy.stored | (copy.raw ? STORED_RAW : 0));
      total += copy.stored;
      continue;
    }
    if (block.sparse && block.pieces.length === 0) {
      words.push(0);
      continue;
    }
    const bytes = reader.read(block, scratch);
    if (block.sparse && bytes.equals(zeros.subarray(0, bytes.length))) {
      words.push(0);
      continue;
    }
    const frame = block.compress ? compress(bytes, setup.level) : bytes;
    const gains = frame.length < bytes.length;
    // `scratch` is used again for the next block.
    const kept = gains ? frame : blocks.length === 1 ? bytes : Uint8Array.from(bytes);
    words.push(gains ? frame.length : bytes.length | STORED_RAW);
    stored.push(kept);
    total += kept.length;
  }
  const data = new Uint8Array(total);
  let position = 0;
  for (const bytes of stored) {
    data.set(bytes, position);
    position += bytes.length;
  }
  return { kind: 'packed', words, data };
}
