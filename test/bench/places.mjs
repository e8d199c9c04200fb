import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, start } from './measure.mjs';
import { openProbe } from './probe.mjs';

export const rundle = 'rundle';
export const kernel = 'kernel squashfs';
export const squashfuse = 'squashfuse_ll';

const openers = {
  [rundle]: openRundle,
  [kernel]: openKernel,
  [squashfuse]: openSquashfuse,
};

/** Who can mount the payload of a bundle here: the kernel does it for root only. */
export function peers() {
  return process.getuid() === 0 ? [rundle, kernel, squashfuse] : [rundle, squashfuse];
}

/**
 * Mounts the payload of `bundle` afresh, calls `use` with {probe, root}: a probe and the path of the tree for it, and
 * unmounts. Gives what `use` gives, and `memory`: the peak resident set of the server in bytes, null for the kernel.
 */
export async function inPlace(name, bundle, context, use) {
  const place = await openers[name](bundle, context);
  try {
    const result = await use(place);
    const memory = place.memory();
    await place.probe.close();
    return { ...result, memory };
  } finally {
    place.probe.end();
    await place.close();
  }
}

/** The greatest `memory` of what `inPlace` gave for one peer; null when it has no server. */
export function peakOf(samples) {
  const known = samples.map(({ memory }) => memory).filter((memory) => memory !== null);
  return known.length === 0 ? null : Math.max(...known);
}

/** A real start: the probe is the container's program. */
async function openRundle(bundle, { tools }) {
  const options = ['--mode', 'mount', '--mount', `${tools}:/mnt`];
  return {
    root: '/',
    probe: openProbe([bundle.path, ...options, '/mnt/probe']),
    memory: () => serverMemory(bundle.path),
    close: () => undefined,
  };
}

async function openKernel(bundle, { tools, work }) {
  const root = join(work, 'mounted');
  mkdirSync(root, { recursive: true });
  const options = `ro,loop,offset=${bundle.payload.offset}`;
  await run(['mount', '-t', 'squashfs', '-o', options, bundle.path, root]);
  return {
    root,
    probe: openProbe([join(tools, 'probe')]),
    memory: () => null,
    close: () => unmount(root),
  };
}

async function openSquashfuse(bundle, { tools, work }) {
  const root = join(work, 'mounted');
  mkdirSync(root, { recursive: true });
  const server = start(squashfuseCommand(bundle, root, '-f'));
  try {
    await untilMounted(root, server);
  } catch (error) {
    server.end();
    unmount(root);
    throw error;
  }
  return {
    root,
    probe: openProbe([join(tools, 'probe')]),
    memory: () => peakMemory(server.child.pid),
    close: async () => {
      unmount(root);
      await server.ended;
    },
  };
}

/** The command that mounts the payload by squashfuse_ll, and stays in the background unless told otherwise. */
export function squashfuseCommand(bundle, root, ...options) {
  const offset = `offset=${bundle.payload.offset}`;
  return ['squashfuse_ll', ...options, '-o', offset, bundle.path, root];
}

function isMounted(root) {
  return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${root} `);
}

async function untilMounted(root, server) {
  let ended = false;
  const failed = server.ended.then(() => {
    ended = true;
  });
  // It may also fail long after, when somebody else waits for it.
  failed.catch(() => undefined);
  while (!isMounted(root)) {
    await Promise.race([failed, sleep(2)]);
    if (ended) {
      throw new Error(`squashfuse_ll ended without a mount\n${server.printed.stderr}`);
    }
  }
}

/** Unmounts what is mounted, also while the benchmark is being stopped. The last reader may still be about to end. */
export function unmount(root) {
  const [program, ...args] =
    process.getuid() === 0 ? ['umount', root] : ['fusermount3', '-u', root];
  for (let tries = 1; isMounted(root); tries++) {
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0 && tries === 50) {
      throw new Error(`unmounting ${root}: ${stderr}`);
    }
    if (status !== 0) {
      spawnSync('sleep', ['0.1']);
    }
  }
  rmdirSync(root);
}

/** The greatest peak of all servers of the bundle: found by name and by the file that they have open. */
function serverMemory(bundlePath) {
  const servers = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => isServer(pid, bundlePath));
  if (servers.length === 0) {
    throw new Error(`no rundle-server has ${bundlePath} open`);
  }
  return Math.max(...servers.map(peakMemory));
}

function isServer(pid, bundlePath) {
  try {
    const files = `/proc/${pid}/fd`;
    return (
      readFileSync(`/proc/${pid}/comm`, 'utf8') === 'rundle-server\n' &&
      readdirSync(files).some((fd) => readlinkSync(join(files, fd)) === bundlePath)
    );
  } catch {
    return false; // ended meanwhile, or somebody else's
  }
}

function peakMemory(pid) {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(kibibytes) * 1024;
}
