import { availableParallelism } from 'node:os';
import { type ArchiveWorker, startArchiveWorker } from './archive-workers.js';
import type { ArchiveIndex, ComingJob, ExtractJob, IndexJob, ReadyBlock } from './index-job.js';

/** More threads than this only wait for the disk. */
const MAX_WORKERS = 8;

/**
 * Runs `indexArchive` for every job, as many at a time as there are processors, those first whose archive is there first, and gives the results in
 * the jobs' order. `onProgress` gets stored bytes read so far, `onBlock` what jobs want to be told of. On the first error the other jobs are stopped before it is thrown, so that
 * the caller may remove the spool directory. Errors as `indexArchive`, and what an archive's promise is rejected with.
 */
export async function indexArchives(
  jobs: readonly ComingJob[],
  onProgress: (job: IndexJob, done: number) => void = () => {},
  onBlock: (block: ReadyBlock) => void = () => {},
): Promise<ArchiveIndex[]> {
  const results: ArchiveIndex[] = [];
  let next = 0;
  const workers = Array.from({ length: workersFor(jobs.length) }, startArchiveWorker);
  const arrivals = inOrderOfArrival(jobs);
  const serve = async (worker: ArchiveWorker) => {
    for (let turn = arrivals[next++]; turn !== undefined; turn = arrivals[next++]) {
      const { index, job } = await turn;
      results[index] = await worker.index(job, {
        onProgress: (done) => onProgress(job, done),
        onBlock,
      });
    }
  };
  try {
    await Promise.all(workers.map(serve));
    return results;
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}

/**
 * Runs `extractArchive` for every job, as `indexArchives`, and gives the results in the jobs' order. With half as many threads, because each has another one for zlib, and because
 * there may be packing threads already, whose memory counts too.
 */
export async function extractArchives(
  jobs: readonly ExtractJob[],
): Promise<(Uint8Array | undefined)[]> {
  const results: (Uint8Array | undefined)[] = [];
  const pending = [...jobs.entries()];
  const workers = Array.from(
    { length: Math.ceil(workersFor(jobs.length) / 2) },
    startArchiveWorker,
  );
  const serve = async (worker: ArchiveWorker) => {
    for (let turn = pending.shift(); turn !== undefined; turn = pending.shift()) {
      const [index, job] = turn;
      results[index] = await worker.extract(job);
    }
  };
  try {
    await Promise.all(workers.map(serve));
    return results;
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}

function workersFor(jobs: number): number {
  return Math.min(jobs, availableParallelism(), MAX_WORKERS);
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
