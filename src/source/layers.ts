import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Arrival } from '../blob/arrival.js';
import type { FileRange } from '../blob/file-range.js';
import { indexArchives } from '../layer/index-archives.js';
import type { ArchiveIndex, ComingJob, IndexJob } from '../layer/index-job.js';
import { ArchiveSpool } from '../layer/layer-spool.js';
import type { Digest } from '../oci/digest.js';
import { applyArchive } from '../rootfs/merge.js';
import type { LayerContents } from '../tree/layer-contents.js';
import { type Directory, emptyDirectory, type Omission } from '../tree/node.js';
import type { SourceContext } from './transport.js';

/** A layer that was found and not yet looked into. */
export interface LayerFile {
  /** A promise for one that is still being fetched: then it has digest, size and label. */
  file: FileRange | Promise<FileRange>;
  /** Is told of it while it is being fetched. */
  arrival?: Arrival;
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

/** A layer that was read. */
interface IndexedLayer extends Pick<ArchiveIndex, 'entries' | 'diffId'> {
  contents: LayerContents;
}

type LayerJob = Omit<ComingJob, 'spool'>;

/**
 * Verifies, indexes and merges layers, bottom first. `whiteouts`: whether they are image layers. A blob that stands in the list several times is
 * read once. Contents are in a spool afterwards, which has no more of them on disk than the largest layer takes. Errors as `indexArchives` and `applyArchive`.
 */
export async function mergeLayers(
  layers: readonly LayerFile[],
  whiteouts: boolean,
  context: SourceContext,
): Promise<MergedLayers> {
  const jobs = new Map<string, LayerJob>();
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
    const { contents, entries, diffId } = index;
    const name = jobs.get(key)?.name ?? '';
    const data = { kind: 'layer' as const, layer: contents };
    const omissions = applyArchive(merged.root, { name, entries, data, whiteouts });
    merged.omissions = merged.omissions.concat(omissions);
    merged.diffIds.push(diffId);
  }
  return merged;
}

/** What several loads of one source have in common. */
interface KnownLayers {
  spool: ArchiveSpool;
  indexes: Map<string, IndexedLayer>;
}

/**
 * The index of each layer; one that another load of the same source has read is not read again. The largest of the first load is spooled while it is read, the others
 * are uncompressed once more when it is their turn to be packed.
 */
async function indexLayers(
  jobs: ReadonlyMap<string, LayerJob>,
  context: SourceContext,
): Promise<Map<string, IndexedLayer>> {
  const none = async (): Promise<KnownLayers> => {
    return { spool: new ArchiveSpool(context.spoolDirectory), indexes: new Map() };
  };
  const { spool, indexes } = await (context.shared?.once('layers', none) ?? none());
  const fresh = [...jobs].filter(([key]) => !indexes.has(key));
  const largest = spool.isEmpty ? largestOf(fresh.map(([, job]) => job)) : undefined;
  const path = spool.newPath();
  // While there are as many layers as processors, nobody has time for their contents.
  const blockSize = fresh.length < availableParallelism() ? context.early?.blockSize : undefined;
  const numbered = fresh.map(([, job]) => {
    return job === largest ? { ...job, spool: path, blockSize } : job;
  });
  const onProgress = (job: IndexJob, done: number) => {
    context.onProgress?.({ phase: 'layer', name: job.name, done, total: job.file.size });
  };
  const results = await indexArchives(numbered, onProgress, (block) =>
    context.early?.add(block),
  ).catch(async (error: unknown) => {
    // Whoever tries again needs the room.
    await rm(path, { force: true }).catch(() => undefined);
    throw error;
  });
  for (const [at, [key, { name }]] of fresh.entries()) {
    const result = results[at];
    if (result === undefined) continue;
    const { entries, diffId } = result;
    indexes.set(key, { entries, diffId, contents: spool.add(name, result) });
  }
  return indexes;
}

/** By what they are stored in: more is not known before they are read. */
function largestOf(jobs: readonly LayerJob[]): LayerJob | undefined {
  const storedSize = ({ size, file }: LayerJob) => size ?? ('path' in file ? file.size : 0);
  return jobs.reduce<LayerJob | undefined>(
    (found, job) => (found === undefined || storedSize(job) > storedSize(found) ? job : found),
    undefined,
  );
}

function jobOf(layer: LayerFile, index: number, count: number): LayerJob {
  const { file, arrival, digest, size, diffId, label } = layer;
  const position = count === 1 ? 'the layer' : `layer ${index + 1} of ${count}`;
  const name = label ?? ('path' in file ? file.path : digest);
  return { name: `${position} (${name})`, file, arrival, digest, size, diffId };
}
