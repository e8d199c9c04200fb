import { Worker } from 'node:worker_threads';
import type { Arrival } from '../blob/arrival.js';
import { RundleError, reasonOf } from '../errors.js';
import type { ArchiveTask, ArrivalNews, Fault, WorkerReply } from './archive-worker.js';
import type { ArchiveIndex, ExtractJob, IndexJob, ReadyBlock } from './index-job.js';

/** What is said of a job while it is done. */
export interface IndexListener {
  /** Stored bytes read so far. */
  onProgress?: (done: number) => void;
  /** What the job wants to be told of. */
  onBlock?: (block: ReadyBlock) => void;
}

/** So many new bytes are worth a message. */
const WORTH_TELLING = 1024 * 1024;

/** A thread that does one task at a time. */
export interface ArchiveWorker {
  /** As `indexArchive`. */
  index(job: IndexJob, listener: IndexListener, arrival?: Arrival): Promise<ArchiveIndex>;
  /** As `extractArchive`. */
  extract(job: ExtractJob): Promise<Uint8Array | undefined>;
  /** Stops it, whatever it does. */
  end(): Promise<unknown>;
}

export function startArchiveWorker(): ArchiveWorker {
  // Flags of the calling process, such as an --eval script, are not meant for the worker.
  const worker = new Worker(new URL('./archive-worker.js', import.meta.url), { execArgv: [] });
  return {
    index: async (job, listener, arrival) => {
      const done = run(worker, { kind: 'index', job, isArriving: arrival !== undefined }, listener);
      const end = arrival && passOn(arrival, job.file.size, (news) => worker.postMessage(news));
      return done.finally(end) as Promise<ArchiveIndex>;
    },
    extract: async (job) =>
      (await run(worker, { kind: 'extract', job }, {})) as Uint8Array | undefined,
    end: () => worker.terminate(),
  };
}

/** Tells of an arrival, of `total` bytes in the end, until the function that is given back is called. */
function passOn(arrival: Arrival, total: number, tell: (news: ArrivalNews) => void): () => void {
  let told = 0;
  const onChange = () => {
    const { size, isLost } = arrival;
    if (isLost) tell({ kind: 'lost' });
    else if (size >= Math.min(told + WORTH_TELLING, total)) {
      told = size;
      tell({ kind: 'arrived', size });
    }
  };
  onChange();
  return arrival.onChange(onChange);
}

function run(
  worker: Worker,
  task: ArchiveTask,
  { onProgress, onBlock }: IndexListener,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
    };
    const onMessage = (reply: WorkerReply) => {
      if (reply.kind === 'progress') {
        onProgress?.(reply.done);
        return;
      }
      if (reply.kind === 'block') {
        onBlock?.(reply.block);
        return;
      }
      settle();
      if (reply.kind === 'done') resolve(reply.result);
      else reject(errorOf(reply.fault));
    };
    const onError = (cause: unknown) => {
      settle();
      reject(
        new RundleError('E_SOURCE', `reading ${task.job.name}: ${reasonOf(cause)}`, { cause }),
      );
    };
    const onExit = () => onError(new Error('its worker thread was stopped'));
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
    // One that has ended says so no more.
    if (worker.threadId === -1) onExit();
    else worker.postMessage(task);
  });
}

function errorOf({ code, message, hint, details }: Fault): RundleError {
  return new RundleError(code, message, { ...(hint !== undefined && { hint }), details });
}
