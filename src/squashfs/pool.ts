import { Worker } from 'node:worker_threads';
import type { Compressor } from '../decoder/decode.js';
import { RundleError, reasonOf } from '../errors.js';
import type { BlockRequest, Content, Fault, Job, PackedBlocks, Reply, WorkerSetup } from './job.js';

/** Jobs a worker holds: one it works on, one to go on with while the reply travels. */
const JOBS_PER_WORKER = 2;

interface Task {
  job: Job;
  resolve: (reply: Reply) => void;
  reject: (error: unknown) => void;
}

interface Member {
  worker: Worker;
  tasks: Task[];
}

/**
 * Worker threads that pack and digest. Which worker does a job has no influence on the result. After the
 * first worker that dies every call fails.
 */
export class WorkerPool {
  readonly #members: Member[] = [];
  readonly #waiting: Task[] = [];
  #nameOf: (file: number) => string = () => 'a file';
  #broken: RundleError | undefined;

  /** Starts `count` threads. */
  constructor(count: number, setup: WorkerSetup) {
    for (let i = 0; i < Math.max(1, count); i++) {
      const worker = new Worker(new URL('./worker.js', import.meta.url), {
        workerData: setup,
        execArgv: [],
        // zstd-codec prints when its heap is full; the program's own output is not the place for that.
        stdout: true,
        stderr: true,
      });
      const member: Member = { worker, tasks: [] };
      worker.on('message', (reply: Reply) => this.#answered(member, reply));
      worker.on('error', (error) => this.#fail(reasonOf(error)));
      worker.on('exit', (status) => this.#fail(`a packing worker ended with status ${status}`));
      this.#members.push(member);
    }
  }

  /** Whether another job would wait. */
  get isBusy(): boolean {
    return this.#members.every(({ tasks }) => tasks.length >= JOBS_PER_WORKER);
  }

  /** How many jobs keep all workers busy. */
  get capacity(): number {
    return this.#members.length * JOBS_PER_WORKER;
  }

  /**
   * Has the threads load decoders of images that contents lie in; `nameOf` gives the path, for messages, of a file's number in a Piece. Throws E_UNSUPPORTED.
   */
  async prepare(decoders: readonly Compressor[], nameOf: (file: number) => string): Promise<void> {
    this.#nameOf = nameOf;
    if (decoders.length === 0) return;
    await Promise.all(
      this.#members.map((member) => this.#runOn(member, { kind: 'prepare', decoders })),
    );
  }

  /** Makes blocks. Throws E_SOURCE and E_FORMAT when content cannot be read, E_UNSUPPORTED when the compressor fails. */
  async pack(blocks: readonly BlockRequest[]): Promise<PackedBlocks> {
    const reply = await this.#run({ kind: 'pack', blocks });
    if (reply.kind === 'packed') return reply;
    throw this.#faultError(reply);
  }

  /** Digests of contents, as `digestContent` makes them. Throws as `pack`. */
  async digest(contents: readonly Content[]): Promise<readonly string[]> {
    const reply = await this.#run({ kind: 'digest', contents });
    if (reply.kind === 'digests') return reply.digests;
    throw this.#faultError(reply);
  }

  /** Ends all threads; open jobs fail. */
  async close(): Promise<void> {
    this.#fail('it was closed');
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }

  #run(job: Job): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      this.#dispatch();
    });
  }

  #runOn(member: Member, job: Job): Promise<Reply> {
    return new Promise((resolve, reject) => {
      member.tasks.push({ job, resolve, reject });
      member.worker.postMessage(job);
    });
  }

  #dispatch(): void {
    if (this.#broken !== undefined) {
      for (const task of this.#waiting.splice(0)) task.reject(this.#broken);
      return;
    }
    while (this.#waiting.length > 0) {
      const member = this.#members.reduce((a, b) => (b.tasks.length < a.tasks.length ? b : a));
      if (member.tasks.length >= JOBS_PER_WORKER) return;
      const task = this.#waiting.shift() as Task;
      member.tasks.push(task);
      member.worker.postMessage(task.job);
    }
  }

  #answered(member: Member, reply: Reply): void {
    member.tasks.shift()?.resolve(reply);
    this.#dispatch();
  }

  #fail(reason: string): void {
    this.#broken ??= new RundleError('E_UNSUPPORTED', `packing the payload: ${reason}`);
    for (const { tasks } of this.#members) {
      for (const task of tasks.splice(0)) task.reject(this.#broken);
    }
    this.#dispatch();
  }

  #faultError(reply: Reply): RundleError {
    const { file, reason, code } = reply as Fault;
    if (file === undefined) return new RundleError(code, `packing the payload: ${reason}`);
    return new RundleError(code, `reading the content of ${this.#nameOf(file)}: ${reason}`, {
      ...(code === 'E_SOURCE' && {
        hint: 'the source may have changed while it was read: build again',
      }),
    });
  }
}
