import { RundleError } from '../errors.js';

/** What an image was built for, in the words of the OCI spec (Go's GOOS and GOARCH). */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

/** Node's names for architectures that Go calls differently. */
const GO_ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

/** What other programs call an architecture. */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
  armhf: 'arm',
};

/** The variant that a bare architecture means. */
const BASELINE: Readonly<Record<string, string>> = { arm64: 'v8', amd64: 'v1', arm: 'v7' };

/** Linux on the architecture this process runs on: images for anything else cannot be bundled. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: GO_ARCHITECTURES[process.arch] ?? process.arch };
}

/** `os/arch[/variant]`; x86_64 and aarch64 are understood. Throws E_USAGE. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  const [os, name, variant] = parts;
  const sound = parts.every((part) => /^[a-z0-9_.-]{1,64}$/.test(part));
  if (os === undefined || name === undefined || parts.length > 3 || !sound) {
    throw new RundleError(
      'E_USAGE',
      `reading the platform ${JSON.stringify(text)}: it is not OS/ARCH or OS/ARCH/VARIANT`,
      { hint: 'for example linux/amd64 or linux/arm64' },
    );
  }
  const architecture = ALIASES[name] ?? name;
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
}

/** `os/arch[/variant]`. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform;
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

/**
 * How well an image for `offered` serves a request for `wanted`: undefined not at all, otherwise the
 * lower the better. A request without a variant takes the baseline first, then any; one with a variant takes
 * that one, then older ones, which newer processors still run.
 */
export function platformRank(offered: Platform, wanted: Platform): number | undefined {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  const baseline = BASELINE[wanted.architecture] ?? '';
  const has = offered.variant || baseline;
  const wants = wanted.variant || baseline;
  if (has === wants) return 0;
  const [older, newer] = [versionOf(has), versionOf(wants)];
  if (older === undefined || newer === undefined) return wanted.variant ? undefined : 100;
  if (older < newer) return newer - older;
  return wanted.variant ? undefined : 100 + older;
}

function versionOf(variant: string): number | undefined {
  const digits = /^v(\d{1,2})$/.exec(variant)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * The best of `offers` for `wanted`; the first of equals. Throws E_PLATFORM that lists what there is; `where`
 * names the image.
 */
export function choosePlatform<T extends { platform: Platform }>(
  offers: readonly T[],
  wanted: Platform,
  where: string,
): T {
  let best: { offer: T; rank: number } | undefined;
  for (const offer of offers) {
    const rank = platformRank(offer.platform, wanted);
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { offer, rank };
  }
  if (best !== undefined) return best.offer;
  throw missingPlatform(
    offers.map((offer) => offer.platform),
    wanted,
    where,
  );
}

/** The E_PLATFORM error for an image that has only `available`. */
export function missingPlatform(
  available: readonly Platform[],
  wanted: Platform,
  where: string,
): RundleError {
  const names = [...new Set(available.map(formatPlatform))].sort();
  const list = names.length === 0 ? 'no image at all' : names.join(', ');
  return new RundleError(
    'E_PLATFORM',
    `choosing an image for ${formatPlatform(wanted)} in ${where}: it has ${list}`,
    {
      details: { available: names },
      ...(names.length > 0 && { hint: `choose one with --platform ${names[0]}` }),
    },
  );
}
