import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Time between two looks, in milliseconds: what comes and goes in between is not seen. */
const interval = 5;

/**
 * The bytes that files below `directory` take on disk, one with several names once. Without what a file system adds: the
 * rest of the last block of a file, and directories.
 */
export function bytesIn(directory) {
  const seen = new Set();
  let bytes = 0;
  const walk = (path) => {
    for (const entry of unlessGone(() => readdirSync(path, { withFileTypes: true })) ?? []) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) {
        walk(child);
        continue;
      }
      const status = entry.isFile() ? unlessGone(() => lstatSync(child)) : undefined;
      if (status !== undefined && !seen.has(status.ino)) {
        seen.add(status.ino);
        bytes += Math.min(status.size, status.blocks * 512);
      }
    }
  };
  walk(directory);
  return bytes;
}

/** Gives what `use` gives, and `peak`: the most that `bytesIn(directory)` was while it ran. */
export async function withPeak(directory, use) {
  let peak = 0;
  const look = () => {
    peak = Math.max(peak, bytesIn(directory));
  };
  const timer = setInterval(look, interval);
  try {
    const result = await use();
    look();
    return { ...result, peak };
  } finally {
    clearInterval(timer);
  }
}

/** Whoever is watched may remove a file between two calls. */
function unlessGone(call) {
  try {
    return call();
  } catch (error) {
    if (error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}
