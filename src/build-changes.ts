import type { Description, ImageDescription, LaunchSettings } from './bundle/assemble.js';
import type { BundleRequirement } from './bundle/manifest.js';
import type { RequirementChanges } from './requirement/bundle-requirements.js';
import { requirementText } from './requirement/requirement.js';
import type { ConfigOverrides } from './rootfs/config-overrides.js';
import type { CopySpecification } from './rootfs/copy.js';
import type { MountSpecification } from './rootfs/mount-specification.js';
import type { OverriddenImage } from './rootfs/overrides.js';
import type { LoadedSource, SourceMaking, SourceStart } from './source/source.js';
import { fromText } from './tree/byte-string.js';
import { VERSION } from './version.js';

/** What the bundle has that the image has not. */
export interface Changes extends ConfigOverrides {
  /** Contents of the script that replaces `/etc/rc`. */
  rc?: Uint8Array | undefined;
  copies: readonly CopySpecification[];
  mounts: readonly MountSpecification[];
  mountHome: boolean;
  mountCwd: boolean;
  /** Where `--keep` puts the tree when the bundle runs; may hold `${VAR}`. */
  target?: string | undefined;
  description?: string | undefined;
  requirements: RequirementChanges;
}

/** What the source brings along for its start comes first: a later mount on the same place covers an earlier one. */
export function withStart(changes: Changes, start: SourceStart | undefined): Changes {
  if (start === undefined) return changes;
  return {
    ...changes,
    mounts: [...start.mounts, ...changes.mounts],
    mountHome: changes.mountHome || start.mountHome,
    mountCwd: changes.mountCwd || start.mountCwd,
    target: changes.target ?? start.target,
  };
}

/** How the launcher starts an image. */
export function launchSettings(
  image: OverriddenImage,
  changes: Changes,
  requirements: readonly BundleRequirement[],
): LaunchSettings {
  const { config, startsThroughRc } = image;
  return {
    entrypoint: (config.entrypoint ?? []).map(fromText),
    cmd: (config.cmd ?? []).map(fromText),
    env: config.env.map(fromText),
    workdir: fromText(config.workingDir),
    rc: startsThroughRc,
    mounts: changes.mounts.map((mount) => fromText(mount.text)),
    ...(changes.target !== undefined && { target: fromText(changes.target) }),
    mountHome: changes.mountHome,
    mountCwd: changes.mountCwd,
    require: requirements.flatMap(({ text }) => (text === undefined ? [] : [fromText(text)])),
  };
}

/** What the manifest says of the bundle as a whole. `making`: how the source itself was made, when it is a bundle. */
export function describeBundle(
  changes: Changes,
  making: SourceMaking | undefined,
  payload: Description['payload'],
  omissions: Description['omissions'],
): Description {
  const description = changes.description ?? making?.description;
  return {
    rundle: VERSION,
    ...(description !== undefined && { description }),
    overrides: [...(making?.overrides ?? []), ...describeChanges(changes)],
    payload,
    omissions,
  };
}

/** What it says of an image. */
export function describeImage(
  source: LoadedSource,
  { config }: OverriddenImage,
  requirements: readonly BundleRequirement[],
): ImageDescription {
  return {
    labels: config.labels,
    provenance: source.provenance,
    ...(requirements.length > 0 && { requirements: [...requirements] }),
    ...(config.created !== undefined && { created: config.created }),
    config: {
      user: config.user,
      ...(config.stopSignal !== undefined && { stopSignal: config.stopSignal }),
      exposedPorts: config.exposedPorts,
      volumes: config.volumes,
    },
  };
}

/** One line each for people; sources of copies are left out, because they name places of the building machine. */
function describeChanges(changes: Changes): string[] {
  return [
    ...(changes.rc === undefined ? [] : ['rc']),
    ...(changes.entrypoint === undefined
      ? []
      : [`entrypoint ${JSON.stringify(changes.entrypoint)}`]),
    ...(changes.cmd === undefined ? [] : [`cmd ${JSON.stringify(changes.cmd)}`]),
    ...(changes.env ?? []).map((entry) => `env ${entry}`),
    ...(changes.workingDir === undefined ? [] : [`workdir ${changes.workingDir}`]),
    ...(changes.labels ?? []).map((entry) => `label ${entry}`),
    ...changes.copies.map(({ destination }) => `copy to ${destination}`),
    ...changes.mounts.map(({ text }) => `mount ${text}`),
    ...(changes.mountHome ? ['mount-home'] : []),
    ...(changes.mountCwd ? ['mount-cwd'] : []),
    ...(changes.target === undefined ? [] : [`target ${changes.target}`]),
    ...(changes.requirements.dropOwn ? ['require none'] : []),
    ...changes.requirements.added.map((one) => `require ${requirementText(one)}`),
  ];
}
