import { resolve } from 'node:path';
import { isRundleError, reasonOf } from '../errors.js';
import { emptyImageConfig } from '../oci/config.js';
import { findSystemPartition } from '../sif/sif.js';
import { readSquashfs } from '../squashfs/reader/reader.js';
import { fromText } from '../tree/byte-string.js';
import { readContent } from '../tree/content.js';
import type { Directory, Omission } from '../tree/node.js';
import { lookupFile } from '../tree/path.js';
import { checkPlatform } from './image-config.js';
import { digestOf } from './image-digest.js';
import { parsePath, type Transport } from './transport.js';

const RUNSCRIPT = '/.singularity.d/runscript';
const LABELS = '/.singularity.d/labels.json';
/** More is no list of labels, in bytes. */
const LABELS_LIMIT = 1024 * 1024;

/**
 * What `apptainer run` does: the environment scripts, in the order of their names, then the runscript with the arguments. They are shell code, so
 * what they set is only known when they run, in the image.
 */
const START = [
  'for script in /.singularity.d/env/*.sh; do if [ -f "$script" ]; then . "$script"; fi; done',
  'exec "$0" "$@"',
].join('; ');

/**
 * `sif:FILE`: an image of Apptainer or Singularity whose system partition is SquashFS. It starts through its environment
 * scripts and its runscript; the labels are taken over.
 */
export const sif: Transport = {
  name: 'sif',
  syntax: 'sif:FILE',
  parse: parsePath,
  async load({ location }, context) {
    const source = `sif:${location}`;
    const where = `reading ${source}`;
    const { range, architecture } = await findSystemPartition(resolve(location), where);
    const config = emptyImageConfig({ os: 'linux', architecture });
    checkPlatform({ config, diffIds: [] }, context.platform, source);
    const { root } = await readSquashfs(range, false, where);
    const digest = await digestOf(range, context, where);
    const omissions: Omission[] = [];
    const runs = lookupFile(root, fromText(RUNSCRIPT)) !== undefined;
    return {
      root,
      config: {
        ...config,
        entrypoint: runs ? ['/bin/sh', '-c', START, RUNSCRIPT] : undefined,
        labels: await readLabels(root, omissions),
      },
      provenance: { transport: 'sif', diffIds: [`sha256:${digest}`] },
      omissions,
    };
  },
};

/** An object of texts; what else may stand there is left out. */
async function readLabels(root: Directory, omissions: Omission[]): Promise<Record<string, string>> {
  const file = lookupFile(root, fromText(LABELS));
  if (file === undefined) return {};
  try {
    if (file.size > LABELS_LIMIT) throw new Error(`they have ${file.size} bytes`);
    const document: unknown = JSON.parse((await readContent(file, 0, file.size)).toString('utf8'));
    const entries =
      typeof document === 'object' && document !== null ? Object.entries(document) : [];
    return Object.fromEntries(entries.filter(([, value]) => typeof value === 'string'));
  } catch (error) {
    if (isRundleError(error)) throw error;
    const path = fromText(LABELS.slice(1));
    omissions.push({ path, what: `Apptainer's labels: ${reasonOf(error)}` });
    return {};
  }
}
