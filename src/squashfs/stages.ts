import {
  type ByteRange,
  type LayerContents,
  type LayerParts,
  mergeRanges,
} from '../tree/layer-contents.js';
import type { RegularFile } from '../tree/node.js';
import type { FileRecord } from './census.js';

/** What a file takes on disk is a multiple of this, in bytes; less between two parts saves nothing. */
const PAGE = 4096;

/** Files that are packed together, and what of the layers has to be on disk for that. */
export interface Stage {
  files: FileRecord[];
  parts: LayerParts;
}

/**
 * Divides files, which stay in their order, into stages so that each needs no more of the layers on disk than the largest layer takes: that one comes first
 * and alone; of the others, from large to small, each goes into the first stage with room. Files in no layer, and those of `first`, are in the first
 * stage. Layers' sizes decide, not how they are stored, so that an image has the same stages wherever it comes from.
 */
export function planStages(files: readonly FileRecord[], first: readonly RegularFile[]): Stage[] {
  const raw = new Set(first);
  const layerNeeded = (file: FileRecord) => (raw.has(file.node) ? undefined : layerOf(file));
  const groups = new Map<LayerContents | undefined, FileRecord[]>();
  for (const file of files) {
    const layer = layerNeeded(file);
    const group = groups.get(layer);
    if (group === undefined) groups.set(layer, [file]);
    else group.push(file);
  }
  const stageOf = assignStages(groups);
  const stages: FileRecord[][] = [[]];
  for (const file of files) {
    const stage = stageOf.get(layerNeeded(file)) ?? 0;
    stages[stage] ??= [];
    stages[stage].push(file);
  }
  return stages.map((members) => ({ files: members, parts: partsOf(members) }));
}

function assignStages(
  groups: ReadonlyMap<LayerContents | undefined, readonly FileRecord[]>,
): Map<LayerContents | undefined, number> {
  const stages = new Map<LayerContents | undefined, number>([[undefined, 0]]);
  const layers = [...groups.keys()].filter((layer) => layer !== undefined);
  const [largest, ...others] = layers.sort((a, b) => b.size - a.size);
  if (largest === undefined) return stages;
  stages.set(largest, 0);
  const room = [0];
  for (const layer of others) {
    const need = bytesOnDisk(partsOf(groups.get(layer) ?? []).get(layer) ?? []);
    const found = room.findIndex((left) => left >= need && left > 0);
    const stage = found < 0 ? room.length : found;
    room[stage] = (room[stage] ?? Math.ceil(largest.size / PAGE) * PAGE) - need;
    stages.set(layer, stage);
  }
  return stages;
}

/** The layer that a file's content lies in; no file has content in several. */
function layerOf({ node }: FileRecord): LayerContents | undefined {
  const data = node.extents[0]?.data;
  return data?.kind === 'layer' ? data.layer : undefined;
}

function partsOf(files: readonly FileRecord[]): LayerParts {
  const parts = new Map<LayerContents, ByteRange[]>();
  for (const { node } of files) {
    for (const { data, offset, length } of node.extents) {
      if (data.kind !== 'layer') continue;
      const ranges = parts.get(data.layer);
      const range = { from: offset, to: offset + length };
      if (ranges === undefined) parts.set(data.layer, [range]);
      else ranges.push(range);
    }
  }
  return new Map([...parts].map(([layer, ranges]) => [layer, mergeRanges(ranges, PAGE)]));
}

function bytesOnDisk(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { from, to }) => {
    return sum + (Math.ceil(to / PAGE) - Math.floor(from / PAGE)) * PAGE;
  }, 0);
}
