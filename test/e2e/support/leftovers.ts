import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Names that runs left in `directory`. */
export function leftIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('.rundle-'));
}

/** Processes, other than zombies, whose executable or root lies under `directory`. */
export function processesUnder(directory: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const places = ['exe', 'root', 'cwd'].map((link) => readlinkSync(`/proc/${pid}/${link}`));
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      if (places.some((path) => path.startsWith(directory)) || command.includes(directory)) {
        found.push(`${pid}: ${command.replaceAll('\0', ' ')}`);
      }
    } catch {
      // Gone meanwhile, or a zombie, which has none of these links.
    }
  }
  return found;
}

/** Wait until nothing is left in `directory` and no process uses it; returns what still is after `limit` ms. */
export async function settled(directory: string, limit = 10_000): Promise<string[]> {
  const end = Date.now() + limit;
  for (;;) {
    const left = [...leftIn(directory), ...processesUnder(directory)];
    if (left.length === 0 || Date.now() > end) return left;
    await sleep(50);
  }
}

/** Wait until `condition` holds; fails after `limit` ms, naming what was waited for. */
export async function until(what: string, condition: () => boolean, limit = 20_000): Promise<void> {
  const end = Date.now() + limit;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${limit} ms for ${what}`);
    await sleep(5);
  }
}
