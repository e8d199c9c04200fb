import { RundleError } from '../errors.js';
import type { Platform } from '../oci/platform.js';
import { directory } from './dir.js';
import { docker } from './docker.js';
import { dockerArchive } from './docker-archive.js';
import { dockerDaemon } from './docker-daemon.js';
import { ociLayout } from './oci.js';
import { ociArchive } from './oci-archive.js';
import { containersStorage, podman } from './podman.js';
import { run } from './run.js';
import { sif } from './sif.js';
import type { LoadedSource } from './source.js';
import { sqsh } from './sqsh.js';
import { standardInput } from './standard-input.js';
import { tarFile } from './tar.js';
import type { SourceContext, SourceSpecification, Transport } from './transport.js';

export type { SourceContext, SourceSpecification } from './transport.js';

/** Every kind of source there is. */
const TRANSPORTS: readonly Transport[] = [
  docker,
  ociLayout,
  ociArchive,
  dockerArchive,
  directory,
  tarFile,
  sqsh,
  sif,
  run,
  dockerDaemon,
  podman,
  containersStorage,
  standardInput,
];

/** What a path without a transport names, by its ending. */
const BY_ENDING: readonly (readonly [ending: RegExp, transport: Transport])[] = [
  [/\.(sqsh|squashfs|sqfs)$/i, sqsh],
  [/\.sif$/i, sif],
  [/\.run$/i, run],
];

/** The syntax of every transport, for the help. */
export const SOURCE_SYNTAX: readonly string[] = TRANSPORTS.map(({ syntax }) => syntax);

/** True for a path without a transport that ends like an image, but not like a bundle. */
export function isImagePath(specification: string): boolean {
  const transport = bareTransport(specification);
  return transport !== undefined && transport !== run;
}

/**
 * Takes a source specification apart, by its syntax alone. Throws E_USAGE for an unknown transport, listing the known ones, and for one
 * that does not fit its transport's syntax.
 */
export function parseSource(specification: string): SourceSpecification {
  return understand(specification).parsed;
}

/**
 * Opens a source and merges its layers into one tree; everything is verified on the way. Errors: E_USAGE as `parseSource`; E_SOURCE (cannot be
 * read, blob or reference missing), E_FORMAT, E_DIGEST, E_PLATFORM, E_LAYER, E_UNSUPPORTED; E_NETWORK and E_AUTH from registries; E_OUTPUT when the spool directory
 * cannot take what has to be uncompressed.
 */
export async function loadSource(
  specification: string,
  context: SourceContext,
): Promise<LoadedSource> {
  const { transport, parsed } = understand(specification);
  return transport.load(parsed, context);
}

/**
 * The platforms that a bundle is for, so that one made from it is for all of them, too; none for other sources. Errors as `loadSource`.
 */
export async function platformsOf(specification: string): Promise<readonly Platform[]> {
  const { transport, parsed } = understand(specification);
  return (await transport.platforms?.(parsed)) ?? [];
}

function understand(specification: string): { transport: Transport; parsed: SourceSpecification } {
  if (specification === standardInput.name) {
    return { transport: standardInput, parsed: { transport: standardInput.name, location: '' } };
  }
  const bare = bareTransport(specification);
  if (bare !== undefined) {
    return { transport: bare, parsed: { transport: bare.name, location: specification } };
  }
  const colon = specification.indexOf(':');
  const name = specification.slice(0, Math.max(colon, 0));
  const transport = TRANSPORTS.find((candidate) => candidate.name === name);
  if (transport === undefined) {
    throw new RundleError(
      'E_USAGE',
      `reading the source ${JSON.stringify(specification)}: ${colon < 0 ? 'it has no transport' : `the transport ${JSON.stringify(name)} is not known`}`,
      { hint: `a source is one of ${SOURCE_SYNTAX.join(', ')}` },
    );
  }
  const parts = specification.includes('\0')
    ? undefined
    : transport.parse(specification.slice(colon + 1));
  if (parts === undefined) {
    throw new RundleError(
      'E_USAGE',
      `reading the source ${JSON.stringify(specification)}: it does not have the form ${transport.syntax}`,
    );
  }
  return { transport, parsed: { transport: name, ...parts } };
}

/** A colon behind a word means a transport, whatever the ending; one behind a slash is part of a name. */
function bareTransport(specification: string): Transport | undefined {
  if (/^[a-z][a-z-]*:/.test(specification) || specification.includes('\0')) return undefined;
  return BY_ENDING.find(([ending]) => ending.test(specification))?.[1];
}
