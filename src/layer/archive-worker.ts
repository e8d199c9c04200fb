import { parentPort } from 'node:worker_threads';
import { Arrival } from '../blob/arrival.js';
import { RundleError, reasonOf } from '../errors.js';
import { extractArchive } from './extract-archive.js';
import { indexArchive } from './index-archive.js';
import type { ArchiveIndex, ExtractJob, IndexJob, ReadyBlock } from './index-job.js';

/** What a worker is asked. */
export type ArchiveTask =
  | { kind: 'index'; job: IndexJob; isArriving: boolean }
  | { kind: 'extract'; job: ExtractJob };

/** What a worker is told of the archive that it reads: so many bytes are there, or no more will come. */
export type ArrivalNews = { kind: 'arrived'; size: number } | { kind: 'lost' };

/** What it says about the task it was given. */
export type WorkerReply =
  | { kind: 'progress'; done: number }
  | { kind: 'block'; block: ReadyBlock }
  | { kind: 'done'; result: ArchiveIndex | Uint8Array | undefined }
  | { kind: 'fault'; fault: Fault };

/** A RundleError taken apart: class and fields of an Error do not survive the way between threads. */
export interface Fault {
  code: RundleError['code'];
  message: string;
  hint: string | undefined;
  details: Record<string, unknown>;
}

/** Of the archive that is being read, when it is still being written. */
let arrival: Arrival | undefined;

parentPort?.on('message', (message: ArchiveTask | ArrivalNews) => {
  if (message.kind === 'arrived') arrival?.advance(message.size);
  else if (message.kind === 'lost') arrival?.lose();
  else void work(message);
});

async function work(task: ArchiveTask): Promise<void> {
  arrival = task.kind === 'index' && task.isArriving ? new Arrival() : undefined;
  const reply = (message: WorkerReply, transfer: readonly ArrayBuffer[] = []) =>
    parentPort?.postMessage(message, transfer);
  try {
    const result =
      task.kind === 'index'
        ? await indexArchive(
            task.job,
            (done) => reply({ kind: 'progress', done }),
            (block) => reply({ kind: 'block', block }),
            arrival,
          )
        : await extractArchive(task.job);
    const isBytes = result instanceof Uint8Array;
    reply({ kind: 'done', result }, isBytes ? [result.buffer as ArrayBuffer] : []);
  } catch (error) {
    reply({ kind: 'fault', fault: faultOf(error, task.job.name) });
  }
}

function faultOf(error: unknown, name: string): Fault {
  const { code, message, hint, details } =
    error instanceof RundleError
      ? error
      : new RundleError('E_SOURCE', `reading ${name}: ${reasonOf(error)}`);
  return { code, message, hint, details: { ...details } };
}
