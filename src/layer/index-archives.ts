import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { RundleError, reasonOf } from '../errors.js';
import type { ArchiveIndex, IndexJob } from './index-job.js';
import type { Fault, WorkerReply } from './index-worker.js';

/** More threads than this only wait for the disk. */
const MAX_WORKERS = 8;

/**
 * Runs `indexArchive` for every job, as many at a time as there are processors, and gives the results in the jobs' order. `onProgress`
 * gets stored bytes read so far. On the first error the other jobs are stopped before it is thrown, so that the caller
 * may remove the spool directory. Errors as `indexArchive`.
 */
export async function indexArchives(
  jobs: readonly IndexJob[],
  onProgress: (job: IndexJob, done: number) => void = () => {},
): Promise<ArchiveIndex[]> {
  const results: ArchiveIndex[] = [];
  let next = 0;
  const count = Math.min(jobs.length, availableParallelism(), MAX_WORKERS);
  const workers = Array.from({ length: count }, () => startWorker());
  const serve = async (worker: Worker) => {
    for (let index = next++; index < jobs.length; index = next++) {
      const job = jobs[index];
      if (job !== undefined) results[index] = await runJob(worker, job, onProgress);
    }
  };
  try {
    await Promise.all(workers.map(serve));
    return results;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function startWorker(): Worker {
  // Flags of the calling process, such as an --eval script, are not meant for the worker.
  return new Worker(new URL('./index-worker.js', import.meta.url), { execArgv: [] });
}

function runJob(
  worker: Worker,
  job: IndexJob,
  onProgress: (job: IndexJob, done: number) => void,
): Promise<ArchiveIndex> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
    };
    const onMessage = (reply: WorkerReply) => {
      if (reply.kind === 'progress') {
        onProgress(job, reply.done);
        return;
      }
      settle();
      if (reply.kind === 'index') resolve(reply.index);
      else reject(errorOf(reply.fault));
    };
    const onError = (cause: unknown) => {
      settle();
      reject(new RundleError('E_SOURCE', `reading ${job.name}: ${reasonOf(cause)}`, { cause }));
    };
    const onExit = () => onError(new Error('its worker thread was stopped'));
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
    worker.postMessage(job);
  });
}

function errorOf({ code, message, hint, details }: Fault): RundleError {
  return new RundleError(code, message, { ...(hint !== undefined && { hint }), details });
}
