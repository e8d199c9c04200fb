import { parentPort } from 'node:worker_threads';
import { RundleError, reasonOf } from '../errors.js';
import { indexArchive } from './index-archive.js';
import type { ArchiveIndex, IndexJob } from './index-job.js';

/** What a worker says about the job it was given. */
export type WorkerReply =
  | { kind: 'progress'; done: number }
  | { kind: 'index'; index: ArchiveIndex }
  | { kind: 'fault'; fault: Fault };

/** A RundleError taken apart: class and fields of an Error do not survive the way between threads. */
export interface Fault {
  code: RundleError['code'];
  message: string;
  hint: string | undefined;
  details: Record<string, unknown>;
}

parentPort?.on('message', async (job: IndexJob) => {
  const reply = (message: WorkerReply) => parentPort?.postMessage(message);
  try {
    const index = await indexArchive(job, (done) => reply({ kind: 'progress', done }));
    reply({ kind: 'index', index });
  } catch (error) {
    reply({ kind: 'fault', fault: faultOf(error, job) });
  }
});

function faultOf(error: unknown, job: IndexJob): Fault {
  const { code, message, hint, details } =
    error instanceof RundleError
      ? error
      : new RundleError('E_SOURCE', `reading ${job.name}: ${reasonOf(error)}`);
  return { code, message, hint, details: { ...details } };
}
