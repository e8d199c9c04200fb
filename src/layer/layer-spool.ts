import { open, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { systemReason } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import {
  type ByteRange,
  type LayerContents,
  type LayerParts,
  type LayerSpool,
  mergeRanges,
} from '../tree/layer-contents.js';
import { extractArchives } from './index-archives.js';
import type { ArchiveIndex, ExtractJob } from './index-job.js';
import { likelyRanges } from './likely-parts.js';
import { RememberedParts } from './remembered-parts.js';

/**
 * So many times a layer is uncompressed for parts of it. Who still asks for more then gets all of it on disk, whatever else
 * is there: an image that is made to be read in ever new places must not cost time without end.
 */
const MAX_PASSES = 4;

/** Uncompresses layers to a private directory, which somebody else makes and removes. */
export class ArchiveSpool implements LayerSpool {
  readonly #directory: string;
  readonly #layers: Layer[] = [];
  #files = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** True as long as there is nothing in the directory. */
  get isEmpty(): boolean {
    return this.#layers.every(({ state }) => state !== 'whole' && state !== 'parts');
  }

  /** A path for an uncompressed archive, another one each time. */
  newPath(): string {
    this.#files += 1;
    return join(this.#directory, `layer-${this.#files}.tar`);
  }

  /** Takes over a layer that was indexed, and its file when it was spooled. `name` is for messages. */
  add(name: string, index: ArchiveIndex): LayerContents {
    const layer = new Layer(this, name, index);
    this.#layers.push(layer);
    return layer;
  }

  async keepOnly(parts: LayerParts): Promise<void> {
    for (const layer of this.#layers) {
      layer.memory.clear();
      if (!parts.has(layer)) await this.#remove(layer);
    }
    const wanted = this.#layers.filter((layer) => parts.has(layer) && layer.state === 'absent');
    await this.#extract(wanted, (layer) => mergeRanges(parts.get(layer) ?? []), 'parts');
  }

  async fetch(parts: LayerParts): Promise<void> {
    const wanted = this.#layers.filter(
      (layer) => !layer.isReadable && parts.get(layer)?.some((part) => !layer.memory.has(part)),
    );
    const tired = wanted.filter(({ passes }) => passes >= MAX_PASSES);
    await this.#extract(tired, ({ size }) => [{ from: 0, to: size }], 'whole');
    const others = wanted.filter(({ passes }) => passes < MAX_PASSES);
    const jobs = others.map((layer): ExtractJob => {
      const likely = layer.passes === 0 ? layer.likely : [];
      const ranges = mergeRanges([...(parts.get(layer) ?? []), ...likely]);
      layer.passes += 1;
      return layer.job(ranges, undefined);
    });
    const results = await extractArchives(jobs);
    for (const [at, layer] of others.entries()) {
      layer.memory.add(jobs[at]?.ranges ?? [], results[at] ?? new Uint8Array(0));
    }
  }

  async read(layer: LayerContents, position: number, target: Uint8Array): Promise<void> {
    const known = this.#layers.find((one) => one === layer);
    if (known === undefined) throw new Error('the layer belongs to another spool');
    const part = { from: position, to: position + target.length };
    if (!known.isReadable && !known.memory.has(part)) {
      await this.fetch(new Map([[known, [part]]]));
    }
    if (known.isReadable) await readFully(known.path, position, target);
    else known.memory.copy(part, target);
  }

  /** Packing threads may still have the file open: without its contents it takes no room all the same. */
  async #remove(layer: Layer): Promise<void> {
    if (layer.state !== 'whole' && layer.state !== 'parts') return;
    layer.state = 'absent';
    await truncate(layer.path).catch(() => undefined);
    await rm(layer.path, { force: true }).catch(() => undefined);
  }

  async #extract(
    layers: readonly Layer[],
    rangesOf: (layer: Layer) => readonly ByteRange[],
    state: 'whole' | 'parts',
  ): Promise<void> {
    const paths = layers.map(() => this.newPath());
    await extractArchives(layers.map((layer, at) => layer.job(rangesOf(layer), paths[at])));
    for (const [at, layer] of layers.entries()) {
      layer.path = paths[at] ?? '';
      layer.state = state;
    }
  }
}

class Layer implements LayerContents {
  readonly spool: LayerSpool;
  readonly size: number;
  readonly memory = new RememberedParts();
  readonly #name: string;
  readonly #index: Omit<ArchiveIndex, 'entries'>;
  /** What a start is likely to look at. */
  readonly likely: readonly ByteRange[];
  path: string;
  /** `plain`: readable where it is stored; `whole` and `parts`: at `path`; `absent`: not at all. */
  state: 'plain' | 'whole' | 'parts' | 'absent';
  /** How many times it was uncompressed for parts. */
  passes = 0;

  constructor(spool: LayerSpool, name: string, { entries, ...index }: ArchiveIndex) {
    this.spool = spool;
    this.#name = name;
    this.#index = index;
    this.size = index.size;
    this.path = index.path ?? '';
    this.state = index.path === undefined ? 'absent' : index.spooled ? 'whole' : 'plain';
    this.likely = this.state === 'absent' ? likelyRanges(entries) : [];
  }

  get isReadable(): boolean {
    return this.state === 'plain' || this.state === 'whole';
  }

  job(ranges: readonly ByteRange[], target: string | undefined): ExtractJob {
    const { file, diffId } = this.#index;
    return { name: this.#name, file, diffId, ranges, target };
  }
}

async function readFully(path: string, position: number, target: Uint8Array): Promise<void> {
  const where = `reading a layer in ${path}`;
  try {
    const handle = await open(path, 'r');
    try {
      const { bytesRead } = await handle.read(target, 0, target.length, position);
      if (bytesRead < target.length) throw new Error('it became shorter meanwhile');
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new RundleError('E_SOURCE', `${where}: ${systemReason(cause)}`, { cause });
  }
}
