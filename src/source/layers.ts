import { join } from 'node:path';
import type { FileRange } from '../blob/file-range.js';
import { indexArchives } from '../layer/index-archives.js';
import type { ArchiveIndex, ComingJob } from '../layer/index-job.js';
import type { Digest } from '../oci/digest.js';
import { applyArchive } from '../rootfs/merge.js';
import { type Directory, emptyDirectory, type Omission } from '../tree/node.js';
import type { SourceContext } from './transport.js';

/** A layer that was found and not yet looked into. */
export interface LayerFile {
  /** A promise for one that is still being fetched: then it has digest, size and label. */
  file: FileRange | Promise<FileRange>;
  /** What the manifest says of the stored bytes; undefined where there is none. */
  digest?: Digest | undefined;
  size?: number | undefined;
  /** Digest of the uncompressed archive, where it is known beforehand. */
  diffId?: Digest | undefined;
  /** For messages, behind "layer 2 of 3"; the file's path by default. */
  label?: string;
}

/** The merged tree, and the diffIDs of the layers, bottom first. */
export interface MergedLayers {
  root: Directory;
  omissions: Omission[];
  diffIds: Digest[];
}

/**
 * Verifies, indexes and merges layers, bottom first. `whiteouts`: whether they are image layers. A blob that stands in the list several times is
 * read once. Errors as `indexArchives` and `applyArchive`.
 */
export async function mergeLayers(
  layers: readonly LayerFile[],
  whiteouts: boolean,
  context: SourceContext,
): Promise<MergedLayers> {
  const jobs = new Map<string, Omit<ComingJob, 'spool'>>();
  const keys = layers.map((layer, index) => {
    const { file, digest, size, diffId } = layer;
    const place = 'path' in file ? [file.path, file.offset] : [];
    const key = JSON.stringify([...place, digest, size, diffId]);
    if (!jobs.has(key)) jobs.set(key, jobOf(layer, index, layers.length));
    return key;
  });
  const indexes = await indexLayers(jobs, context);
  const merged: MergedLayers = { root: emptyDirectory(), omissions: [], diffIds: [] };
  for (const key of keys) {
    const index = indexes.get(key);
    if (index === undefined) throw new Error('every layer has an index');
    const name = jobs.get(key)?.name ?? '';
    const data = { kind: 'file' as const, path: index.path };
    const { entries, diffId } = index;
    merged.omissions.push(...applyArchive(merged.root, { name, entries, data, whiteouts }));
    merged.diffIds.push(diffId);
  }
  return merged;
}

/** The index of each layer; one that another load of the same source has read is not read again. */
async function indexLayers(
  jobs: ReadonlyMap<string, Omit<ComingJob, 'spool'>>,
  context: SourceContext,
): Promise<Map<string, ArchiveIndex>> {
  const none = async () => new Map<string, ArchiveIndex>();
  const known = await (context.shared?.once('layers', none) ?? none());
  const fresh = [...jobs].filter(([key]) => !known.has(key));
  const numbered = fresh.map(([, job], at) => {
    return { ...job, spool: join(context.spoolDirectory, `layer-${known.size + at}.tar`) };
  });
  const results = await indexArchives(numbered, (job, done) => {
    context.onProgress?.({ phase: 'layer', name: job.name, done, total: job.file.size });
  });
  for (const [at, [key]] of fresh.entries()) {
    const result = results[at];
    if (result !== undefined) known.set(key, result);
  }
  return known;
}

function jobOf(layer: LayerFile, index: number, count: number): Omit<ComingJob, 'spool'> {
  const { file, digest, size, diffId, label } = layer;
  const position = count === 1 ? 'the layer' : `layer ${index + 1} of ${count}`;
  const name = label ?? ('path' in file ? file.path : digest);
  return { name: `${position} (${name})`, file, digest, size, diffId };
}
