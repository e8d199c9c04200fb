import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Workplace } from './workplace.js';

/** A process that a start has brought about: the header, a launcher, a helper, or a program of the container. */
export interface Trace {
  pid: number;
  /** What its command line shows, words separated by spaces. */
  command: string;
}

/**
 * The environment of a start whose traces are to be found: temporary files go to the scratch directory, and every
 * process carries its name, those in the container by a variable of a family that is passed on.
 */
export function tracedEnvironment(place: Workplace): NodeJS.ProcessEnv {
  const { XDG_RUNTIME_DIR: _, ...rest } = process.env;
  return { ...rest, TMPDIR: place.scratch, NCCL_TEST_PLACE: place.scratch };
}

/** Processes, other than zombies, that were started with the traced environment of `place`. */
export function processesOf(place: Workplace): Trace[] {
  const mark = `NCCL_TEST_PLACE=${place.scratch}\0`;
  const found: Trace[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'latin1').includes(mark)) continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      found.push({ pid: Number(pid), command: command.replaceAll('\0', ' ').trim() });
    } catch {
      // Gone meanwhile.
    }
  }
  return found;
}

/** End what a test that failed has left, so that the next one finds nothing of it. */
export function endProcesses(place: Workplace): void {
  for (const { pid } of processesOf(place)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
}

/** The servers of the starts of `place`. */
export function serversOf(place: Workplace): number[] {
  return processesOf(place)
    .filter(({ command }) => command.startsWith('rundle-server'))
    .map(({ pid }) => pid);
}

/** Where programs that other tests run (mmdebstrap, podman, buildah) mount and unmount at any time. */
const ofOthers = /^\/(tmp|var\/tmp|dev\/shm|run\/containers|run\/netns|var\/lib\/containers)\//;

/** Mounts of the host by which a start of `place` would show, as lines of mountinfo. */
export function mountsOf(place: Workplace): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => {
      const point = line.split(' ')[4];
      if (point === undefined) return false;
      return point.startsWith(`${place.directory}/`) || !ofOthers.test(point);
    });
}

/** Files by which a start would show. A launcher that is kept for the next start is not a leftover. */
export function filesOf(place: Workplace): string[] {
  const shared = ['/dev/shm', '/tmp', '/var/tmp'];
  const names = (directory: string) => {
    try {
      return readdirSync(directory).map((name) => `${directory}/${name}`);
    } catch {
      return []; // There is none.
    }
  };
  const own = names(place.scratch);
  const others = shared.flatMap(names).filter((path) => /\/\.rundle-/.test(path));
  return [...own, ...others].filter((path) => !/\/\.rundle-cache-[^/]*$/.test(path));
}

/** Everything that starts of `place` could leave behind, one a line. */
export interface Traces {
  files: string[];
  mounts: string[];
}

/** What is there before any start. */
export function tracesBefore(place: Workplace): Traces {
  return { files: filesOf(place), mounts: mountsOf(place) };
}

/** Wait until nothing is there that was not there before; returns what still is after `limit` ms. */
export async function goneExcept(
  place: Workplace,
  before: Traces,
  limit = 30_000,
): Promise<string[]> {
  const end = Date.now() + limit;
  for (;;) {
    const left = [
      ...processesOf(place).map(({ pid, command }) => `process ${pid}: ${command}`),
      ...filesOf(place).filter((path) => !before.files.includes(path)),
      ...mountsOf(place).filter((line) => !before.mounts.includes(line)),
    ];
    if (left.length === 0 || Date.now() > end) return left;
    await sleep(10);
  }
}

/** What the descriptors of a process refer to. */
export function descriptorsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

/** A line of /proc/PID/status, without its name; also of PID/task/TID. */
export function statusLine(pid: number | string, name: string): string {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
}

/** Session, process group and controlling terminal of a process. */
export function sessionOf(pid: number): { group: number; session: number; terminal: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { group: Number(fields[2]), session: Number(fields[3]), terminal: Number(fields[4]) };
}
