import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { RundleError, reasonOf } from '../errors.js';
import type { ArchiveIndex, ComingJob, IndexJob } from './index-job.js';
import type { Fault, WorkerReply } from './index-worker.js';

/** More threads than this only wait for the disk. */
const MAX_WORKERS = 8;

/**
 * Runs `indexArchive` for every job, as many at a time as there are processors, those first whose archive is there first, and gives the results in
 * the jobs' order. `onProgress` gets stored bytes read so far. On the first error the other jobs are stopped before it is thrown, so that
 * the caller may remove the spool directory. Errors as `indexArchive`, and what an archive's promise is rejected with.
 */
export async function indexArchives(
  jobs: readonly ComingJob[],
  onProgress: (job: IndexJob, done: number) => void = () => {},
): Promise<ArchiveIndex[]> {
  const results: ArchiveIndex[] = [];
  let next = 0;
  const count = Math.min(jobs.length, availableParallelism(), MAX_WORKERS);
  const workers = Array.from({ length: count }, () => startWorker());
  const arrivals = inOrderOfArrival(jobs);
  const serve = async (worker: Worker) => {
    for (let turn = arrivals[next++]; turn !== undefined; turn = arrivals[next++]) {
      const { index, job } = await turn;
      results[index] = await runJob(worker, job, onProgress);
    }
  };
  try {
    await Promise.all(workers.map(serve));
    return results;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** A promise for the job whose archive is there first, one for the second, and so on. */
function inOrderOfArrival(jobs: readonly ComingJob[]): Promise<{ index: number; job: IndexJob }>[] {
  type Place = Parameters<
    ConstructorParameters<typeof Promise<{ index: number; job: IndexJob }>>[0]
  >;
  const free: Place[] = [];
  const turns = jobs.map(
    () => new Promise<{ index: number; job: IndexJob }>((...place) => free.push(place)),
  );
  for (const [index, job] of jobs.entries()) {
    Promise.resolve(job.file).then(
      (file) => free.shift()?.[0]({ index, job: { ...job, file } }),
      (error: unknown) => free.shift()?.[1](error),
    );
  }
  // After the first error nobody waits for the others any more.
  for (const turn of turns) turn.catch(() => undefined);
  return turns;
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
