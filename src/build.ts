import { statSync } from 'node:fs';
import {
  type Changes,
  describeBundle,
  describeImage,
  launchSettings,
  withStart,
} from './build-changes.js';
import {
  assertBuiltFor,
  joinImages,
  launcherArchitecture,
  orderPlatforms,
  type PlatformImage,
} from './build-platforms.js';
import { sumOfSteps } from './build-progress.js';
import type { Architecture } from './bundle/architecture.js';
import { assembleBundle, type BundlePlatform, type BundleSummary } from './bundle/assemble.js';
import { checkOutput } from './bundle/output.js';
import type { ImageConfig } from './oci/config.js';
import type { Platform } from './oci/platform.js';
import type { Progress } from './progress/progress.js';
import type { RegistryAccess } from './registry/access.js';
import { assertPossible, bundleRequirements } from './requirement/bundle-requirements.js';
import { applyOverrides, type OverriddenImage } from './rootfs/overrides.js';
import { loadSource, platformsOf } from './source/open.js';
import { SharedWork } from './source/shared-work.js';
import type { LoadedSource, SourceMaking } from './source/source.js';
import type { SourceContext } from './source/transport.js';
import { EarlyPacking } from './squashfs/early-packing.js';
import { assertPayloadOptions, DEFAULT_BLOCK_SIZE, DEFAULT_LEVEL } from './squashfs/options.js';
import { writePayload } from './squashfs/writer.js';
import { startupFiles } from './startup/startup-files.js';
import { withTemporaryDirectory } from './temporary-directory.js';
import { fromText } from './tree/byte-string.js';
import type { RegularFile } from './tree/node.js';

/** What to build, from what, and with which changes. */
export interface BuildRequest {
  /** A source specification, such as `oci:DIR:REF`. */
  source: string;
  /** Path of the bundle to write. */
  output: string;
  /** Replace an existing output. */
  force: boolean;
  /** Where the bundle is to start, each architecture once; without any, what the source has for this machine, and where a bundle starts. */
  platforms: readonly Platform[];
  changes: Changes;
  payload: PayloadRequest;
}

/** How contents are compressed. */
export interface PayloadRequest {
  /** Bytes; the source's own when it is a bundle, otherwise DEFAULT_BLOCK_SIZE, unless given. */
  blockSize?: number | undefined;
  /** As `blockSize`. */
  level?: number | undefined;
  /** Blocks that an image has in this form already are copied, whatever level they have. */
  reuse: boolean;
}

/** What a build takes from its surroundings; only `sourceDateEpoch` has an influence on the bytes. */
export interface BuildContext {
  progress: Progress;
  /** Packing threads. */
  workers: number;
  /** SOURCE_DATE_EPOCH: the time of what the build itself makes, and the cap for copied files. Seconds. */
  sourceDateEpoch?: number | undefined;
  /** How registries are reached; without it anonymously. */
  registry?: RegistryAccess | undefined;
}

/**
 * Builds a bundle: source, tree, overrides, payload, bundle. Temporary files are removed on every way out, and the output appears
 * complete or not at all. Throws the RundleErrors of each step.
 */
export async function buildBundle(
  request: BuildRequest,
  context: BuildContext,
): Promise<BundleSummary> {
  const asked = request.platforms;
  const platforms = asked.length > 0 ? asked : await platformsOf(request.source);
  return build({ ...request, platforms }, context, async (source, changes) => {
    const architecture = launcherArchitecture(source.config, request.source);
    const image = await applyOverrides(
      source.root,
      source.config,
      { ...changes, throughRc: source.start?.throughRc ?? false, isFile },
      {
        time: context.sourceDateEpoch ?? 0,
        latest: context.sourceDateEpoch ?? Number.POSITIVE_INFINITY,
      },
    );
    return { architecture, image };
  });
}

/**
 * Builds a bundle whose tree is exactly the source's, for unpacking on this machine: no overrides, no mount points, and
 * a launcher for `architecture` whatever the image is made for.
 */
export async function buildUnchanged(
  request: BuildRequest,
  context: BuildContext,
  architecture: Architecture,
): Promise<BundleSummary> {
  return build(request, context, async ({ config }) => ({
    architecture,
    image: { config, startsThroughRc: false, omissions: [] },
  }));
}

type Change = (
  source: LoadedSource,
  changes: Changes,
) => Promise<{ architecture: Architecture; image: OverriddenImage }>;

async function build(
  request: BuildRequest,
  context: BuildContext,
  change: Change,
): Promise<BundleSummary> {
  const { progress } = context;
  const expected = payloadOptions(request.payload);
  const platforms = orderPlatforms(request.platforms, request.source);
  await checkOutput(request.output, request.force);
  return withTemporaryDirectory(async (spoolDirectory) => {
    // Its threads load their compressor while the source is looked for.
    const early = new EarlyPacking({ ...expected, workers: context.workers });
    try {
      const images = await loadImages(request, platforms, change, {
        spoolDirectory,
        early,
        registry: context.registry,
        shared: new SharedWork(),
        onProgress: sumOfSteps(progress),
      });
      assertPossible(
        request.changes.requirements,
        images.map(({ architecture }) => architecture),
      );
      const buildTime = context.sourceDateEpoch ?? 0;
      const making = images[0]?.making;
      const payload = payloadOptions(request.payload, making);
      const isAsExpected = early.fits(payload);
      if (!isAsExpected) await early.close();
      const { root, trees, omissions } = joinImages(images, buildTime);
      return await assembleBundle({
        output: request.output,
        force: request.force,
        platforms: images.map(({ platform }, index): BundlePlatform => {
          const tree = trees[index];
          return tree === undefined ? platform : { ...platform, tree };
        }),
        description: describeBundle(request.changes, making, payload, omissions),
        writePayload: (output, start) =>
          writePayload(root, output, start, {
            ...payload,
            reuse: request.payload.reuse,
            workers: context.workers,
            ...(isAsExpected && { early }),
            buildTime,
            rawFirst: images.flatMap((image) => image.startupFiles),
            onProgress: (done, total) => progress.update('packing', done, total),
          }),
      });
    } finally {
      await early.close();
    }
  });
}

/** An image with everything that the bundle needs of it. */
interface LoadedImage extends PlatformImage {
  platform: BundlePlatform;
  startupFiles: readonly RegularFile[];
  making: SourceMaking | undefined;
}

/** One after the other: each of them reads its layers with all processors. */
async function loadImages(
  request: BuildRequest,
  platforms: readonly (Platform | undefined)[],
  change: Change,
  context: SourceContext,
): Promise<LoadedImage[]> {
  const images: LoadedImage[] = [];
  for (const platform of platforms) {
    const source = await loadSource(request.source, { ...context, ...(platform && { platform }) });
    if (platform !== undefined && platforms.length > 1) {
      assertBuiltFor(source, platform, request.source);
    }
    const changes = withStart(request.changes, source.start);
    const { architecture, image } = await change(source, changes);
    const requirements = bundleRequirements(
      changes.requirements,
      { env: image.config.env, carried: source.start?.requirements },
      architecture,
    );
    images.push({
      architecture,
      root: source.root,
      omissions: [...source.omissions, ...image.omissions],
      making: source.making,
      platform: {
        architecture,
        launch: launchSettings(image, changes, requirements),
        image: describeImage(source, image, requirements),
      },
      startupFiles: await startupFiles(source.root, {
        programs: firstPrograms(image),
        searchPath: fromText(searchPath(image.config)),
      }),
    });
  }
  return images;
}

/** Block size and level. Throws E_USAGE and E_UNSUPPORTED as `assertPayloadOptions`. */
function payloadOptions(request: PayloadRequest, making?: SourceMaking) {
  const blockSize = request.blockSize ?? making?.blockSize ?? DEFAULT_BLOCK_SIZE;
  const level = request.level ?? making?.level ?? DEFAULT_LEVEL;
  assertPayloadOptions(blockSize, level);
  return { blockSize, level };
}

/** What the kernel opens first: packed so that a start finds it fast. */
function firstPrograms({ config, startsThroughRc }: OverriddenImage) {
  const words = [config.entrypoint?.[0], config.cmd?.[0]].filter((word) => word !== undefined);
  const shell = startsThroughRc || words.length === 0 ? ['/bin/sh'] : [];
  return [...(startsThroughRc ? ['/etc/rc'] : []), ...shell, ...words].map(fromText);
}

function searchPath(config: ImageConfig): string {
  const entry = config.env.find((variable) => variable.startsWith('PATH='));
  return (
    entry?.slice('PATH='.length) ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
  );
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
