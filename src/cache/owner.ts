import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Who made a file, as part of its name: `MACHINE-PID-START`. MACHINE stands for this boot of this machine and this PID namespace, because a PID means
 * nothing elsewhere; START is the process's start time, because PIDs are used again.
 */
export type Owner = string & { readonly __owner: unique symbol };

/** For a file that nobody writes to any more. */
export const NOBODY = 'free' as Owner;

const OWNER = /^(?:free|[0-9a-f]{12}-\d{1,10}-\d{1,20})$/;

/** Whether the process that made a file is still there; `unknown` for processes of another machine. */
export type Life = 'alive' | 'gone' | 'unknown';

let self: Owner | undefined;

/** This process. */
export function thisProcess(): Owner {
  self ??= `${machine()}-${process.pid}-${startTime(process.pid) ?? 0}` as Owner;
  return self;
}

/** True for the text of an owner. */
export function isOwner(text: string): text is Owner {
  return OWNER.test(text);
}

/** Whether `owner` is still running. */
export function lifeOf(owner: Owner): Life {
  if (owner === NOBODY) return 'gone';
  if (owner === thisProcess()) return 'alive';
  const [where, pid, start] = owner.split('-');
  if (where !== machine()) return 'unknown';
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'gone';
  }
  const actual = startTime(Number(pid));
  // Where /proc shows nothing, what kill(2) said is all there is.
  return actual === undefined || actual === start ? 'alive' : 'gone';
}

/** A part of a file's name that no other file has. */
export function uniquePart(): string {
  return randomBytes(6).toString('hex');
}

let machineName: string | undefined;

function machine(): string {
  machineName ??= createHash('sha256')
    .update(`${read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'))}\n`)
    .update(`${read(() => readlinkSync('/proc/self/ns/pid'))}\n${hostname()}`)
    .digest('hex')
    .slice(0, 12);
  return machineName;
}

/** Field 22 of /proc/PID/stat, proc_pid_stat(5), or `ended` for a process that only waits to be reaped; undefined when it cannot be read. */
function startTime(pid: number): string | undefined {
  const text = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (text === undefined) return undefined;
  // The second field is a name that may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return /^[ZX]/.test(fields[0] ?? '') ? 'ended' : fields[19];
}

function read(action: () => string): string | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
