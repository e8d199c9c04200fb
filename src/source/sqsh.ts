import { resolve } from 'node:path';
import { wholeFile } from '../blob/file-range.js';
import { emptyImageConfig } from '../oci/config.js';
import { hostPlatform } from '../oci/platform.js';
import { readEnrootImage } from '../rootfs/enroot-image.js';
import { readSquashfs } from '../squashfs/reader/reader.js';
import { digestOf } from './image-digest.js';
import { parsePath, type Transport } from './transport.js';

/**
 * `sqsh:FILE`: a SquashFS image, such as Enroot makes. With an `/etc/rc` it starts as under Enroot: through that script, with
 * the variables of `/etc/environment` and the mounts of `/etc/fstab`. The image does not say what it was built for, so the
 * platform asked for, or the host's, is taken.
 */
export const sqsh: Transport = {
  name: 'sqsh',
  syntax: 'sqsh:FILE',
  parse: parsePath,
  async load({ location }, context) {
    const where = `reading sqsh:${location}`;
    const file = await wholeFile(resolve(location), where);
    const { root } = await readSquashfs(file, false, where);
    const digest = await digestOf(file, context, where);
    const enroot = await readEnrootImage(root);
    const config = emptyImageConfig(context.platform ?? hostPlatform());
    return {
      root,
      config: { ...config, env: enroot?.env ?? [] },
      provenance: { transport: 'sqsh', diffIds: [`sha256:${digest}`] },
      omissions: enroot?.omissions ?? [],
      ...(enroot !== undefined && {
        start: { throughRc: true, mounts: enroot.mounts, mountHome: false, mountCwd: false },
      }),
    };
  },
};
