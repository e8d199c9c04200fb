import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from '../e2e/support/workplace.js';
import { busyboxOf, type Kernel } from './boot.js';

/** A bundle with a shell and grep for the machine of a kernel. */
export function bundleFor(kernel: Kernel): Buffer {
  const work = mkdtempSync(join(tmpdir(), 'rundle-kernel-'));
  try {
    const bin = join(work, 'rootfs/bin');
    mkdirSync(bin, { recursive: true });
    copyFileSync(busyboxOf(kernel), join(bin, 'busybox'));
    for (const name of ['sh', 'grep']) symlinkSync('busybox', join(bin, name));
    const bundle = join(work, 'x.run');
    const platform = `linux/${kernel.architecture}`;
    build(`dir:${join(work, 'rootfs')}`, bundle, '--env', 'PATH=/bin', '--platform', platform);
    return readFileSync(bundle);
  } finally {
    rmSync(work, { recursive: true });
  }
}
