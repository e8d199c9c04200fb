import { ARCHITECTURES, type Architecture, architectureFromOci } from './bundle/architecture.js';
import type { PlatformTree } from './bundle/assemble.js';
import { RundleError } from './errors.js';
import type { ImageConfig } from './oci/config.js';
import { formatPlatform, type Platform } from './oci/platform.js';
import type { LoadedSource } from './source/source.js';
import type { ByteString } from './tree/byte-string.js';
import { type Directory, emptyDirectory, type Omission } from './tree/node.js';
import { tallyTree } from './tree/tally.js';

/** An image that is loaded, and the machine it is for. */
export interface PlatformImage {
  architecture: Architecture;
  root: Directory;
  /** What could not be taken over. */
  omissions: readonly Omission[];
}

/** What the payload is written from. */
export interface JoinedImages {
  root: Directory;
  /** Where each image's tree is, in their order; undefined when the only one is all of the payload. */
  trees: readonly (PlatformTree | undefined)[];
  /** With paths from the payload's root. */
  omissions: Omission[];
}

/**
 * The platforms in the order in which a bundle lists them, so that the order of asking has no influence on it; undefined stands for
 * whatever the source gives when none was asked for. `source` is for messages. Throws E_USAGE when two of them are for one architecture, and, of several,
 * E_PLATFORM for one without a launcher.
 */
export function orderPlatforms(
  platforms: readonly Platform[],
  source: string,
): readonly (Platform | undefined)[] {
  if (platforms.length <= 1) return [platforms[0]];
  const ordered = new Map<Architecture, Platform>();
  for (const platform of platforms) {
    const architecture = launcherArchitecture(platform, source);
    const other = ordered.get(architecture);
    if (other !== undefined) throw bothFor(architecture, other, platform, source);
    ordered.set(architecture, platform);
  }
  return ARCHITECTURES.flatMap((architecture) => ordered.get(architecture) ?? []);
}

/** The launcher for a platform. Throws E_PLATFORM for one that no launcher can start. */
export function launcherArchitecture(platform: Platform, source: string): Architecture {
  const architecture = architectureFromOci(platform.architecture);
  if (architecture !== undefined && platform.os === 'linux') return architecture;
  throw new RundleError(
    'E_PLATFORM',
    `building from ${source}: the image is for ${formatPlatform(platform)}, which no launcher can start`,
    { hint: 'images for linux/amd64 and linux/arm64 can be bundled' },
  );
}

/**
 * That an image which is one of several really is what it was asked for: a file tree without an image config is for no platform in particular, and an index
 * may say other things than the config. Throws E_PLATFORM.
 */
export function assertBuiltFor(
  { config, provenance }: Pick<LoadedSource, 'provenance'> & { config: ImageConfig },
  platform: Platform,
  source: string,
): void {
  if (provenance.configDigest === undefined) {
    throw new RundleError(
      'E_PLATFORM',
      `building from ${source}: it does not say what it was built for, so it cannot be several platforms at once`,
      { hint: 'name one with --platform' },
    );
  }
  if (config.os === platform.os && config.architecture === platform.architecture) return;
  throw new RundleError(
    'E_PLATFORM',
    `building from ${source}: the image for ${formatPlatform(platform)} says that it is for ${formatPlatform(config)}`,
  );
}

/**
 * One tree of all images: the only one's own, or a directory for each architecture, named as `uname -m` does, in a root made at `time` (seconds).
 */
export function joinImages(images: readonly PlatformImage[], time: number): JoinedImages {
  const [first] = images;
  if (first !== undefined && images.length === 1) {
    return { root: first.root, trees: [undefined], omissions: [...first.omissions] };
  }
  const root: Directory = { ...emptyDirectory(), mtime: time };
  const trees = images.map((image): PlatformTree => {
    root.children.set(image.architecture as string as ByteString, image.root);
    const { inodes, contentBytes } = tallyTree(image.root);
    return { root: `/${image.architecture}` as ByteString, size: contentBytes, inodes };
  });
  const omissions = images.flatMap((image) =>
    image.omissions.map(({ path, what }) => {
      return { path: `${image.architecture}/${path}` as ByteString, what };
    }),
  );
  return { root, trees, omissions };
}

function bothFor(
  architecture: Architecture,
  one: Platform,
  other: Platform,
  source: string,
): RundleError {
  const [first, second] = [formatPlatform(one), formatPlatform(other)];
  if (first === second) {
    return new RundleError('E_USAGE', `building from ${source}: ${first} is asked for twice`);
  }
  return new RundleError(
    'E_USAGE',
    `building from ${source}: ${first} and ${second} are both for ${architecture}`,
    { hint: 'a bundle starts one image on each architecture: name one of them' },
  );
}
