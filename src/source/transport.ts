import type { ReadyBlock } from '../layer/index-job.js';
import type { Platform } from '../oci/platform.js';
import type { RegistryAccess } from '../registry/access.js';
import type { SharedWork } from './shared-work.js';
import type { LoadedSource } from './source.js';

/** What a source is opened with. */
export interface SourceContext {
  /**
   * The platform asked for. Without one an index gives its image for the host, and an image that stands alone is taken
   * whatever it was built for.
   */
  platform?: Platform;
  /** A private directory (0700), made and removed by the caller. The tree's contents may lie in it. */
  spoolDirectory: string;
  /** What loads of the same source for other platforms have found out already. They then have the spool directory in common. */
  shared?: SharedWork;
  onProgress?: (step: SourceStep) => void;
  /** Who wants to pack contents while the rest of a layer is still being read. */
  early?: { blockSize: number; add: (block: ReadyBlock) => void };
  /** How registries are reached; without it anonymously, and nothing is kept. */
  registry?: RegistryAccess | undefined;
}

/** How far an archive or layer has been read, in stored bytes. */
export interface SourceStep {
  /** `verify`: an archive that holds an image is being uncompressed; `layer`: a layer is being read. */
  phase: 'download' | 'verify' | 'layer';
  name: string;
  done: number;
  /** Undefined while it is not known. */
  total: number | undefined;
}

/** A source specification taken apart. */
export interface SourceSpecification {
  /** `oci`, `oci-archive`, ... */
  transport: string;
  /** What the transport finds the source by: a path, or whatever else its syntax says. */
  location: string;
  /** Which image of several: a tag, a reference, `@DIGEST` or `@INDEX`. */
  reference?: string;
}

/** One kind of source. Each lives in a file of its own and is listed in `open.ts`. */
export interface Transport {
  /** The word before the colon. */
  name: string;
  /** For the help: `oci:DIR[:REF]`. */
  syntax: string;
  /** Takes apart what follows the colon; undefined when it does not fit the syntax. */
  parse(rest: string): Omit<SourceSpecification, 'transport'> | undefined;
  load(specification: SourceSpecification, context: SourceContext): Promise<LoadedSource>;
  /** What a source that is for certain platforms is built for, when none is asked for. */
  platforms?(specification: SourceSpecification): Promise<readonly Platform[]>;
}

/** `PATH`, all of it. */
export function parsePath(rest: string): { location: string } | undefined {
  return rest === '' ? undefined : { location: rest };
}

/** `PATH[:REFERENCE]`: the first colon divides, because references hold colons themselves. */
export function parsePathAndReference(
  rest: string,
): { location: string; reference?: string } | undefined {
  const colon = rest.indexOf(':');
  if (colon < 0) return parsePath(rest);
  const location = rest.slice(0, colon);
  const reference = rest.slice(colon + 1);
  return location === '' || reference === '' ? undefined : { location, reference };
}

/** The specification as the user wrote it. */
export function specificationText({ transport, location, reference }: SourceSpecification): string {
  return [transport, location, ...(reference === undefined ? [] : [reference])].join(':');
}
