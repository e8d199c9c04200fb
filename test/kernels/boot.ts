import { execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpio, directory, type Entry, file, link } from './cpio.js';

const here = dirname(fileURLToPath(import.meta.url));
/** Packages are kept here, unpacked; `rm -rf` is the way to have newer ones. */
const kept = join(here, '../../stub/build/kernels');

/** A kernel as its distribution ships it. */
export interface Kernel {
  name: string;
  release: 'bookworm' | 'trixie' | 'noble';
  architecture: 'amd64' | 'arm64';
  /** The metapackage that depends on the newest one. */
  image: string;
  /** What else a boot wants to have of that release; busybox-static is always there. */
  packages?: readonly string[];
}

export const bookworm: Kernel = {
  name: "Debian 12's 6.1",
  release: 'bookworm',
  architecture: 'amd64',
  image: 'linux-image-cloud-amd64',
};

export const trixie: Kernel = {
  name: "Debian 13's 6.12",
  release: 'trixie',
  architecture: 'amd64',
  image: 'linux-image-cloud-amd64',
  packages: ['apparmor', 'libc6', 'libgcc-s1', 'libstdc++6'],
};

export const noble: Kernel = {
  name: "Ubuntu 24.04's 6.8",
  release: 'noble',
  architecture: 'amd64',
  image: 'linux-image-virtual',
  packages: ['apparmor', 'libc6', 'libgcc-s1', 'libstdc++6'],
};

export const bookwormArm: Kernel = {
  name: "Debian 12's 6.1 for arm64",
  release: 'bookworm',
  architecture: 'arm64',
  image: 'linux-image-cloud-arm64',
};

/** The directory with the kernel's unpacked packages, fetched from its distribution where they are not there yet. */
export function packagesOf(kernel: Kernel): string {
  const target = join(kept, `${kernel.release}-${kernel.architecture}`);
  const names = [kernel.image, 'busybox-static', ...(kernel.packages ?? [])];
  const words = [join(here, 'packages.sh'), kernel.release, kernel.architecture, target, ...names];
  execFileSync('sh', words, { stdio: ['ignore', 'ignore', 'inherit'] });
  return target;
}

/** The only path in `root` that ends in one of `endings`. */
function pathIn(root: string, ...endings: string[]): string {
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (endings.some((ending) => path.endsWith(ending))) return join(root, path);
  }
  throw new Error(`${root} has no ${endings.join(' or ')}`);
}

/** The static busybox of a kernel's own distribution. */
export const busyboxOf = (kernel: Kernel): string => pathIn(packagesOf(kernel), 'bin/busybox');

const unpackers = { '.xz': 'xz', '.zst': 'zstd' };

/** The kernel modules `names` that are not built in, as /modules/NAME.ko, uncompressed; none may need another one. */
function modules(root: string, names: readonly string[]): Entry[] {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' });
  return names.flatMap((name) => {
    const found = all.find((path) =>
      new RegExp(`/kernel/.*/${name}\\.ko(\\.xz|\\.zst)?$`).test(path),
    );
    if (found === undefined) return [];
    const path = join(root, found);
    const [, unpacker] = Object.entries(unpackers).find(([ending]) => path.endsWith(ending)) ?? [];
    const bytes =
      unpacker === undefined
        ? readFileSync(path)
        : execFileSync(unpacker, ['-dc', path], { maxBuffer: 1 << 28 });
    return [file(`modules/${name}.ko`, bytes)];
  });
}

export interface Boot {
  kernel: Kernel;
  /** Shell script that the first process runs as root, with the functions `run` and `as` of guest/init.sh. */
  script: string;
  /** More files for the initramfs. */
  files?: readonly Entry[];
  /** More words for the kernel's command line. */
  append?: readonly string[];
  /** Kernel modules to load, where they are not built in: fuse and overlay unless given. */
  modules?: readonly string[];
  /** Whether the root directory is a tmpfs, as that of most systems can be pivoted from, or the initramfs itself. */
  root?: 'tmpfs' | 'initramfs';
  /** Seconds after which the machine is taken for dead. */
  limit?: number;
}

/** How a command ended that a script ran with `run NAME`. Bytes are taken for Latin-1. */
export interface Ended {
  status: number;
  stdout: string;
  stderr: string;
}

export interface Booted {
  /** By name. */
  runs: Map<string, Ended>;
  /** All that came over the serial line. */
  console: string;
}

function initramfs(boot: Boot, packages: string): Buffer {
  return cpio([
    file('bin/busybox', readFileSync(busyboxOf(boot.kernel)), 0o755),
    link('bin/sh', 'busybox'),
    file('init', readFileSync(join(here, 'guest/init.sh')), 0o755),
    file('script', boot.script),
    file('etc/passwd', 'root:x:0:0::/root:/bin/sh\nuser:x:12345:12345::/home/user:/bin/sh\n'),
    file('etc/group', 'root:x:0:\nuser:x:12345:\n'),
    file('etc/hosts', '127.0.0.1 localhost kernel-test\n'),
    directory('tmp', 0o1777),
    ...modules(packages, boot.modules ?? ['fuse', 'overlay']),
    ...(boot.files ?? []),
  ]);
}

/**
 * Whether this machine can run another one of its own kind without emulating it. Without the processor's help KVM
 * runs only guests that are made for that, and no distribution's kernel is.
 */
export function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return /^flags\s*:.* (vmx|svm)( |$)/m.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return false;
  }
}

/** qemu's command line, without kernel and initramfs, and the name of the serial line. */
function machine(kernel: Kernel): { words: string[]; serial: string } {
  const common = ['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio'];
  const size = ['-no-reboot', '-m', '1024', '-smp', '2'];
  if (kernel.architecture === 'arm64') {
    const words = ['qemu-system-aarch64', '-machine', 'virt', '-cpu', 'cortex-a72'];
    return { words: [...words, ...common, ...size], serial: 'ttyAMA0' };
  }
  const accelerated = hasKvm()
    ? ['-machine', 'q35,accel=kvm', '-cpu', 'host']
    : ['-machine', 'q35,accel=tcg', '-cpu', 'max'];
  return { words: ['qemu-system-x86_64', ...accelerated, ...common, ...size], serial: 'ttyS0' };
}

const decode = (text: string) => Buffer.from(text, 'base64').toString('latin1');

function parse(console: string): Map<string, Ended> {
  const line = /^@run (\S+) (\d+) =(\S*) =(\S*)\r?$/gm;
  return new Map(
    [...console.matchAll(line)].map(([, name = '', status, stdout = '', stderr = '']) => [
      name,
      { status: Number(status), stdout: decode(stdout), stderr: decode(stderr) },
    ]),
  );
}

/** Boot a kernel with an initramfs of its own, run a script in it, and return what that printed. */
export async function boot(what: Boot): Promise<Booted> {
  const packages = packagesOf(what.kernel);
  const work = mkdtempSync(join(tmpdir(), 'rundle-kernel-'));
  try {
    const archive = join(work, 'initramfs');
    writeFileSync(archive, initramfs(what, packages));
    const { words, serial } = machine(what.kernel);
    const parameters = [
      `console=${serial}`,
      ...['quiet', 'loglevel=1', 'panic=-1', 'random.trust_cpu=on'],
      ...(what.root === 'initramfs' ? [] : ['rundle_root=tmpfs']),
      ...(what.append ?? []),
    ];
    const kernel = pathIn(
      join(packages, 'boot'),
      ...readdirSync(join(packages, 'boot')).filter((name) => name.startsWith('vmlinuz-')),
    );
    const [command = '', ...rest] = words;
    const console = await output(
      command,
      [...rest, '-kernel', kernel, '-initrd', archive, '-append', parameters.join(' ')],
      (what.limit ?? 120) * 1000,
    );
    if (!/^@end\r?$/m.test(console)) {
      throw new Error(`${what.kernel.name} did not get to the end of its script:\n${console}`);
    }
    return { runs: parse(console), console };
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** All that a command prints; it is killed after `limit` ms. */
function output(command: string, words: readonly string[], limit: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    const parts: Buffer[] = [];
    const timer = setTimeout(() => {
      parts.push(Buffer.from(`\n(killed after ${limit} ms)\n`));
      child.kill('SIGKILL');
    }, limit);
    child.stdout.on('data', (bytes: Buffer) => parts.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => parts.push(bytes));
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(parts).toString('latin1'));
    });
  });
}
