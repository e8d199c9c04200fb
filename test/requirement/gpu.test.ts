import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { callers } from '../launcher/support/workbench.js';
import { bench, expectMet, found, inside } from './support/needy-bundle.js';

describe('GPUs', () => {
  const own = 'null zero full random urandom tty ptmx fuse';

  /** A host with these devices and this driver. */
  function host(nodes: string, driver: string | undefined, ...words: string[]): readonly string[] {
    const version =
      driver === undefined
        ? ''
        : `mount -t tmpfs module /sys/module && mkdir /sys/module/nvidia && echo ${driver} > /sys/module/nvidia/version`;
    return inside(
      `d=$(mktemp -d ${bench.directory}/dev.XXXXXX); mount -t tmpfs -o mode=755 dev $d
      for n in ${own}; do [ ! -e /dev/$n ] || cp -a /dev/$n $d/; done
      mkdir $d/dri $d/shm $d/pts
      ${nodes}
      mount --rbind $d /dev
      ${version}`,
      ...words,
    );
  }
  const nvidia = `mknod -m 666 $d/nvidiactl c 195 255; mknod -m 666 $d/nvidia3 c 195 3`;
  const amd = `mknod -m 666 $d/kfd c 511 0; mknod -m 666 $d/dri/renderD129 c 226 129`;

  test('none', async () => {
    const none = { prefix: host(':', undefined) };
    expect(await found('gpu', none)).toBe('no GPU device');
    expect(await found('gpu=nvidia', none)).toBe('no NVIDIA GPU');
    expect(await found('gpu=nvidia|gpu=amd', none)).toBe('no NVIDIA GPU, no AMD GPU');
    expect(await found('driver>=1', none)).toBe('no NVIDIA driver');
    await expectMet('driver=none', none);
  });

  test.each(callers)("NVIDIA's, for $caller", async ({ prefix }) => {
    const situation = { prefix: host(nvidia, '535.183.01', ...prefix) };
    for (const need of [
      'gpu',
      'gpu=nvidia',
      'driver>=525',
      'driver>=535.183.01',
      'gpu=amd|gpu=nvidia',
    ]) {
      await expectMet(need, situation);
    }
    await expectMet('driver=none|driver>=470,<471|driver>=535.54.03', situation);
    expect(await found('gpu=amd', situation)).toBe('no AMD GPU');
    expect(await found('driver>=535.183.02', situation)).toBe('NVIDIA driver 535.183.01');
    expect(await found('driver=none|driver>=470,<471|driver>=550.54.14', situation)).toBe(
      '/dev/nvidia3, NVIDIA driver 535.183.01',
    );
  });

  test.each([
    'NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024',
    'NVIDIA UNIX Open Kernel Module for x86_64  535.183.01  Release Build  (builder@u22.4)',
  ])('the version where only /proc shows it: %s', async (line) => {
    const text = `NVRM version: ${line}\nGCC version:  gcc version 12.3.0 (Ubuntu)\n`;
    const file = `mount -t tmpfs driver /proc/driver && mkdir /proc/driver/nvidia
      printf '${text}' > /proc/driver/nvidia/version`;
    const situation = { prefix: host(`${nvidia}\n${file}`, undefined) };
    expect(await found('driver>=536', situation)).toBe('NVIDIA driver 535.183.01');
  });

  test("AMD's", async () => {
    const situation = { prefix: host(amd, undefined) };
    for (const need of ['gpu', 'gpu=amd', 'driver=none|driver>=999'])
      await expectMet(need, situation);
    expect(await found('gpu=nvidia', situation)).toBe('no NVIDIA GPU');
  });

  test('one that is closed to the caller', async () => {
    const closed = nvidia.replace('666 $d/nvidia3', '660 $d/nvidia3');
    const prefix = host(closed, '535.183.01', ...(callers[1]?.prefix ?? []));
    for (const need of ['gpu', 'gpu=nvidia']) {
      expect(await found(need, { prefix })).toBe('/dev/nvidia3: Permission denied');
    }
    await expectMet('driver=none|driver>=999', { prefix });
  });

  test('files that are no devices', async () => {
    const situation = { prefix: host('touch $d/nvidiactl $d/nvidia0', undefined) };
    expect(await found('gpu=nvidia', situation)).toBe('/dev/nvidiactl: No such device');
  });

  test.each([
    ['CUDA_VISIBLE_DEVICES', ''],
    ['CUDA_VISIBLE_DEVICES', '-1'],
    ['NVIDIA_VISIBLE_DEVICES', 'void'],
    ['NVIDIA_DISABLE_REQUIRE', '1'],
  ])('not wanted: %s=%s', async (name, value) => {
    const situation = { prefix: host(nvidia, '470.57'), environment: { [name]: value } };
    await expectMet('driver=none|driver>=535', situation);
    expect(await found('driver>=535', situation)).toBe('NVIDIA driver 470.57');
    const wanted = { ...situation, environment: { [name]: '0' } };
    expect(await found('driver=none|driver>=535', wanted)).toContain('NVIDIA driver 470.57');
  });

  test('WSL 2, where Windows has the driver', async () => {
    const library = `mount -t tmpfs lib /usr/lib/wsl && mkdir -p /usr/lib/wsl/lib && touch /usr/lib/wsl/lib/libcuda.so.1`;
    const created = !existsSync('/usr/lib/wsl');
    mkdirSync('/usr/lib/wsl', { recursive: true });
    try {
      const situation = { prefix: host(`mknod -m 666 $d/dxg c 10 125\n${library}`, undefined) };
      for (const need of ['gpu', 'gpu=nvidia', 'driver>=525', 'driver=none|driver>=999']) {
        await expectMet(need, situation);
      }
      const other = { prefix: host('mknod -m 666 $d/dxg c 10 125', undefined) };
      await expectMet('gpu', other);
      expect(await found('gpu=nvidia', other)).toBe('no NVIDIA GPU');
    } finally {
      if (created) execFileSync('rmdir', ['/usr/lib/wsl']);
    }
  });
});
