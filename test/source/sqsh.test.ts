import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostPlatform } from '#rundle/oci/platform.js';
import { isImagePath, parseSource } from '#rundle/source/open.js';
import { faultOf, makeScratch, type Scratch, shell } from './support/scratch.js';

let scratch: Scratch;

beforeAll(() => {
  scratch = makeScratch();
});

afterAll(() => scratch.remove());

/** An image of the files that a script makes in a directory `etc`. */
function makeImage(name: string, script: string): string {
  shell(scratch.path(), `mkdir -p ${name}/etc; cd ${name}/etc; ${script}`);
  shell(scratch.path(), `mksquashfs ${name} ${name}.sqsh -quiet -no-progress -comp lzo -noD`);
  return scratch.path(`${name}.sqsh`);
}

describe('an image of Enroot', () => {
  it('starts through /etc/rc with its variables and mounts', async () => {
    const image = makeImage(
      'enroot',
      `
printf '#!/bin/sh\\nexec "$@"\\n' > rc
printf 'PATH=/bin\\n\\n# a comment\\nEMPTY=\\nTWO="in quotes" =\\nHOME_OF=\${HOME}/x\\nnothing\\n\\377=byte\\n' > environment
printf '# device point\\n\${ENROOT_ROOTFS}/data /data none x-create=dir,bind,rw,nosuid,nodev\\ntmpfs /scratch tmpfs x-create=dir,mode=1777\\n/proc /proc rbind\\n/opt/one\\\\040two /x none bind 0 -1\\n/a relative none bind\\n/with:colon /colon none bind\\n' > fstab`,
    );
    const { root, config, provenance, omissions, start } = await scratch.load(`sqsh:${image}`);
    expect([...root.children.keys()]).toEqual(['etc']);
    expect(config).toMatchObject({ ...hostPlatform(), entrypoint: undefined, cmd: undefined });
    expect(config.env).toEqual(['PATH=/bin', 'EMPTY=', 'TWO="in quotes" =', 'HOME_OF=${HOME}/x']);
    expect(start).toMatchObject({ throughRc: true, mountHome: false, mountCwd: false });
    expect(start?.mounts.map(({ text }) => text)).toEqual([
      '${ENROOT_ROOTFS}/data /data none x-create=dir,bind,rw,nosuid,nodev',
      'tmpfs /scratch tmpfs x-create=dir,mode=1777',
      '/proc /proc rbind',
      '/opt/one\\040two /x none bind 0 -1',
      '/with\\:colon:/colon:none:bind',
    ]);
    expect(start?.mounts.at(-1)).toMatchObject({ source: '/with:colon', destination: '/colon' });
    expect(omissions.map(({ path, what }) => `${path}: ${what}`)).toEqual([
      'etc/environment: the line "nothing", because it is no KEY=VALUE in UTF-8',
      'etc/environment: the line "\\xff=byte", because it is no KEY=VALUE in UTF-8',
      'etc/fstab: the line "/a relative none bind", because its destination "relative" is not absolute',
    ]);
    const digest = shell(scratch.path(), 'sha256sum enroot.sqsh | cut -c 1-64').trim();
    expect(provenance).toEqual({ transport: 'sqsh', diffIds: [`sha256:${digest}`] });
  });

  it('may have nothing but /etc/rc', async () => {
    const image = makeImage('bare', 'touch rc; ln -s /nowhere environment; mkdir fstab');
    const { config, omissions, start } = await scratch.load(image);
    expect([config.env, omissions, start?.mounts, start?.throughRc]).toEqual([[], [], [], true]);
  });

  it('does not take over files of an absurd size', async () => {
    const image = makeImage('absurd', 'touch rc; truncate -s 3M environment');
    const { omissions } = await scratch.load(image);
    expect(omissions).toEqual([
      { path: 'etc/environment', what: "Enroot's file, because it has 3145728 bytes" },
    ]);
  });
});

describe('another SquashFS image', () => {
  it("keeps a system's own files of these names", async () => {
    const image = makeImage(
      'system',
      `echo 'PATH="/bin"' > environment; echo 'UUID=1-2 / ext4 defaults 0 1' > fstab`,
    );
    const { config, omissions, start } = await scratch.load(`sqsh:${image}`, {
      platform: { os: 'linux', architecture: 'arm64' },
    });
    expect([config.env, config.architecture]).toEqual([[], 'arm64']);
    expect([omissions, start]).toEqual([[], undefined]);
  });

  it('is refused when it is cut off or none', async () => {
    const image = makeImage('short', 'head -c 200000 /dev/urandom > file');
    const size = readFileSync(image).length;
    truncateSync(image, size - 10_000);
    expect(await faultOf(scratch.load(`sqsh:${image}`))).toBe(
      `E_FORMAT reading sqsh:${image}: it is cut off: ${size - 10_000} of ${usedIn(image)} bytes are there`,
    );
    writeFileSync(image, 'text');
    expect(await faultOf(scratch.load(image))).toMatch(/^E_FORMAT .*it is no SquashFS image/);
    expect(await faultOf(scratch.load('sqsh:/nowhere'))).toMatch(
      /^E_SOURCE reading sqsh:\/nowhere/,
    );
    expect(await faultOf(scratch.load(`sqsh:${scratch.path()}`))).toMatch(
      /^E_SOURCE .*regular file/,
    );
  });

  function usedIn(image: string): number {
    return Number(readFileSync(image).readBigUInt64LE(40));
  }
});

describe('a path without a transport', () => {
  it.each([
    ['x.sqsh', 'sqsh'],
    ['/a b/x.squashfs', 'sqsh'],
    ['./dir:v1/x.sqfs', 'sqsh'],
    ['X.SQSH', 'sqsh'],
    ['image_v1:latest.sif', 'sif'],
    ['../app.run', 'run'],
  ])('is known by its ending: %s', (path, transport) => {
    expect(parseSource(path)).toEqual({ transport, location: path });
    expect(isImagePath(path)).toBe(transport !== 'run');
  });

  it('does not hide a transport', () => {
    expect(parseSource('dir:x.sqsh')).toEqual({ transport: 'dir', location: 'x.sqsh' });
    expect(parseSource('sqsh:app.run')).toEqual({ transport: 'sqsh', location: 'app.run' });
    expect(() => parseSource('dri:x.sqsh')).toThrow(/transport "dri" is not known/);
    expect(() => parseSource('x.tar')).toThrow(/it has no transport/);
    expect(() => parseSource('a\0.sqsh')).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
    expect(isImagePath('dir:x.sqsh')).toBe(false);
  });
});
