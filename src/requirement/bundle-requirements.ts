import type { Architecture } from '../bundle/architecture.js';
import type { BundleRequirement } from '../bundle/manifest.js';
import { RundleError } from '../errors.js';
import { imageRequirements } from './nvidia.js';
import { parseRequirement, type Requirement, requirementFor } from './requirement.js';

/** What a build asks for beside what the image does. */
export interface RequirementChanges {
  /** What the source brings along is dropped. */
  dropOwn: boolean;
  added: readonly Requirement[];
}

/** The values of `--require`; the word `none` drops what the source brings. Throws E_USAGE. */
export function parseRequirements(values: readonly string[]): RequirementChanges {
  const added = values.filter((value) => value !== 'none');
  return { dropOwn: added.length < values.length, added: added.map(parseRequirement) };
}

/**
 * What a bundle needs on machines of `architecture`: what its source says, that of a bundle as it was (`carried`), otherwise what
 * the image's environment asks for, and then what was added. Features of other CPUs are left out. Each stands once.
 */
export function bundleRequirements(
  changes: RequirementChanges,
  source: { env: readonly string[]; carried?: readonly BundleRequirement[] | undefined },
  architecture: Architecture,
): BundleRequirement[] {
  const own = changes.dropOwn ? [] : (source.carried ?? fromImage(source.env));
  const added = changes.added.flatMap(
    (requirement) => requirementFor(requirement, architecture) ?? [],
  );
  const known = new Set(own.map(({ text }) => text));
  const fresh = [...new Set(added)].filter((text) => !known.has(text));
  return [...own, ...fresh.map((text) => ({ text }))];
}

function fromImage(env: readonly string[]): BundleRequirement[] {
  return imageRequirements(env).map(({ from, text, notChecked }) => ({
    ...(text !== undefined && { text }),
    from,
    ...(notChecked.length > 0 && { notChecked: [...notChecked] }),
  }));
}

/**
 * Refuses what no machine of the bundle could meet: features of CPUs for which there is no image, another architecture than
 * those of the images. Throws E_USAGE.
 */
export function assertPossible(
  { added }: RequirementChanges,
  architectures: readonly Architecture[],
): void {
  for (const requirement of added) {
    const impossible =
      architectures.every((one) => requirementFor(requirement, one) === undefined) ||
      !architectures.every((one) => allowsMachine(requirement, one));
    if (!impossible) continue;
    const text = requirement.alternatives.map((alternative) => alternative.text).join('|');
    throw new RundleError(
      'E_USAGE',
      `the requirement "${text}" cannot be met: the bundle is for ${architectures.join(' and ')}`,
      { hint: 'choose what the bundle is for with --platform' },
    );
  }
}

function allowsMachine({ alternatives }: Requirement, architecture: Architecture): boolean {
  return alternatives.some(
    ({ text }) => !text.startsWith('arch=') || text === `arch=${architecture}`,
  );
}

/** Those of a bundle that is a source, for its manifest's entries in the words of its launch config. Throws E_UNSUPPORTED for one that
 * this rundle does not know: it could not say whether the new bundle may have it. */
export function carriedRequirements(
  texts: readonly string[],
  described: readonly BundleRequirement[],
  where: string,
): BundleRequirement[] {
  for (const text of texts) {
    try {
      parseRequirement(text);
    } catch (cause) {
      throw new RundleError('E_UNSUPPORTED', `${where}: it needs "${text}", which is not known`, {
        cause,
        hint: 'use a newer rundle',
      });
    }
  }
  const rest = texts.filter((text) => described.every((entry) => entry.text !== text));
  const kept = described.filter(({ text }) => text === undefined || texts.includes(text));
  return [...kept, ...rest.map((text) => ({ text }))];
}
