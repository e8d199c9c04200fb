import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Arrival } from '../blob/arrival.js';
import type { FileRange } from '../blob/file-range.js';
import { type ArchiveWorker, type IndexListener, startArchiveWorker } from './archive-workers.js';
import type { ArchiveIndex, ComingJob, ExtractJob, IndexJob, ReadyBlock } from './index-job.js';

/** More threads than this only wait for the disk. */
const MAX_WORKERS = 8;

/**
 * Runs `indexArchive` for every job, as many at a time as there are processors, those first whose archive is there first, and gives the results in
 * the jobs' order. As long as each has a processor, archives are read while they come. `onProgress` gets stored bytes read so far, `onBlock` what jobs want to be told of. On the first error the other jobs are stopped before it is thrown, so that
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
  const arrivals = inOrderOfArrival(jobs, workers.length >= jobs.length);
  const serve = async (worker: ArchiveWorker) => {
    for (let turn = arrivals[next++]; turn !== undefined; turn = arrivals[next++]) {
      const { index, job, arrival, complete } = await turn;
      const listener = { onProgress: (done: number) => onProgress(job, done), onBlock };
      results[index] =
        arrival === undefined
          ? await worker.index(job, listener)
          : await follow(worker, job, arrival, complete, listener);
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

/**
 * Indexes an archive while it comes. When that fails, for whatever reason, it is indexed once more when it is complete: the download may have begun anew
 * because what came was wrong. Then its contents go to another file, since blocks of the first one may be packed already.
 */
async function follow(
  worker: ArchiveWorker,
  job: IndexJob,
  arrival: Arrival,
  complete: Promise<FileRange>,
  listener: IndexListener,
): Promise<ArchiveIndex> {
  const index = await worker.index(job, listener, arrival).catch(() => undefined);
  const file = await complete;
  if (index !== undefined) return { ...index, file };
  const { spool } = job;
  if (spool === undefined) return worker.index({ ...job, file }, listener);
  await rm(spool, { force: true }).catch(() => undefined);
  return worker.index({ ...job, file, spool: `${spool}.complete` }, listener);
}

/** A job that can be begun with: its archive is complete, or there is an `arrival`. */
interface Turn {
  index: number;
  job: IndexJob;
  arrival?: Arrival;
  complete: Promise<FileRange>;
}

/** A promise for the job that can be begun with first, one for the second, and so on. `follow`: whether what is on its way is enough. */
function inOrderOfArrival(jobs: readonly ComingJob[], follow: boolean): Promise<Turn>[] {
  type Place = Parameters<ConstructorParameters<typeof Promise<Turn>>[0]>;
  const free: Place[] = [];
  const turns = jobs.map(() => new Promise<Turn>((...place) => free.push(place)));
  for (const [index, { file, arrival, ...job }] of jobs.entries()) {
    const complete = Promise.resolve(file);
    const starts = [complete.then((file): Turn => ({ index, job: { ...job, file }, complete }))];
    if (follow && arrival !== undefined) {
      const begun = arrival.begun().then((range): Turn => {
        return { index, job: { ...job, file: range }, arrival, complete };
      });
      starts.push(begun);
    }
    Promise.race(starts).then(
      (turn) => free.shift()?.[0](turn),
      (error: unknown) => free.shift()?.[1](error),
    );
  }
  // After the first error nobody waits for the others any more.
  for (const turn of turns) turn.catch(() => undefined);
  return turns;
}
