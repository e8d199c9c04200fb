import { resolve } from 'node:path';
import { wholeFile } from '../blob/file-range.js';
import { emptyImageConfig } from '../oci/config.js';
import { hostPlatform } from '../oci/platform.js';
import { mergeLayers } from './layers.js';
import { parsePath, type Transport } from './transport.js';

/**
 * `tar:FILE`: a root file system as one archive, plain or compressed. It is no layer: names that begin with `.wh.` are names.
 * The archive does not say what it was built for, so the platform asked for, or the host's, is taken.
 */
export const tarFile: Transport = {
  name: 'tar',
  syntax: 'tar:FILE',
  parse: parsePath,
  async load({ location }, context) {
    const file = await wholeFile(resolve(location), `reading tar:${location}`);
    const { root, omissions, diffIds } = await mergeLayers([{ file }], false, context);
    const config = emptyImageConfig(context.platform ?? hostPlatform());
    return { root, config, provenance: { transport: 'tar', diffIds }, omissions };
  },
};
