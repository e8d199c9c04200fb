import { z } from 'zod';
import { RundleError, reasonOf } from '../errors.js';
import type { Provenance } from '../oci/provenance.js';
import type { Omission } from '../tree/node.js';
import { ARCHITECTURES } from './architecture.js';
import { damaged } from './damage.js';
import { encodeJsonBytes, jsonBytesSchema } from './json-bytes.js';

/** Most bytes that a manifest takes. */
export const MANIFEST_LIMIT = 16 << 20;

/** Most omissions that are listed; the others are counted. */
export const OMISSION_LIMIT = 10_000;

/** Most bytes that the listed omissions take, so that long paths cannot fill the manifest. */
const OMISSION_BYTES = 1 << 20;

const count = z.int().nonnegative();
const hex256 = z.string().regex(/^[0-9a-f]{64}$/);
const architecture = z.enum(ARCHITECTURES);

const provenanceSchema: z.ZodType<Provenance> = z.object({
  transport: z.string().min(1),
  reference: z.string().exactOptional(),
  indexDigest: z.string().exactOptional(),
  manifestDigest: z.string().exactOptional(),
  configDigest: z.string().exactOptional(),
  diffIds: z.array(z.string()),
});

/** How an image is run, after overrides. */
const configSchema = z.object({
  entrypoint: z.array(jsonBytesSchema),
  cmd: z.array(jsonBytesSchema),
  /** `KEY=VALUE`. */
  env: z.array(jsonBytesSchema),
  workdir: jsonBytesSchema,
  user: z.string(),
  stopSignal: z.string().exactOptional(),
  exposedPorts: z.array(z.string()),
  volumes: z.array(z.string()),
});

const labelsSchema = z.record(z.string(), z.string());

/** What a bundle needs of its host. */
const requirementSchema = z.object({
  /** As in the launch config; missing when nothing of it can be checked. */
  text: z.string().exactOptional(),
  /** The variable of the image that asks for it; missing for what was asked for at build time. */
  from: z.string().exactOptional(),
  /** Conditions of that variable that no host is compared with. */
  notChecked: z.array(z.string()).exactOptional(),
});

export type BundleRequirement = z.infer<typeof requirementSchema>;

const imageSchema = z.object({
  labels: labelsSchema,
  provenance: provenanceSchema,
  /** RFC 3339, as the image says. */
  created: z.string().exactOptional(),
  config: configSchema,
  requirements: z.array(requirementSchema).exactOptional(),
});

const platformSchema = z.object({
  arch: architecture,
  /** Its directory in the payload, and what is in there; missing when it has all of the payload. */
  root: jsonBytesSchema.exactOptional(),
  inodes: count.exactOptional(),
  contentBytes: count.exactOptional(),
  ...imageSchema.shape,
});

const sourceSchema = z.object({ url: z.string().min(1), sha256: hex256.exactOptional() });

/** One program or library and its licence. */
export const licenseSchema = z.object({
  /** The program or library. */
  name: z.string().min(1),
  version: z.string().exactOptional(),
  /** SPDX expression. */
  license: z.string().min(1),
  /** Where its source is. */
  source: sourceSchema.exactOptional(),
  /** The licence itself, line by line: the launcher reads at most 4095 bytes of a string. */
  text: z.array(z.string()),
});

/** What comes with an auxiliary program, of which a bundle may have one for each architecture. */
export const programDescriptionSchema = z.object({
  name: z.string().min(1),
  version: z.string().min(1),
  /** SPDX expression. */
  license: z.string().min(1),
  source: sourceSchema,
});

const programSchema = z.object({
  ...programDescriptionSchema.shape,
  /** Its sections, of kind 6: `size` and `sha256` as in the table, `unpackedSize` of what is in the frame. */
  sections: z.partialRecord(
    architecture,
    z.object({ size: count, sha256: hex256, unpackedSize: count }),
  ),
});

const schema = z.object({
  /** Version of this document. */
  schema: z.literal(1),
  /** Version of the rundle that made the bundle. */
  rundle: z.string().min(1),
  /** Short name: the output's base name without `.run`. */
  name: jsonBytesSchema,
  description: z.string().exactOptional(),
  labels: labelsSchema,
  architectures: z.array(architecture).min(1),
  provenance: provenanceSchema,
  /** RFC 3339, as the image says. */
  created: z.string().exactOptional(),
  config: configSchema,
  requirements: z.array(requirementSchema).exactOptional(),
  /** With several architectures: the image of each, in their order. What stands outside is then that of the first. */
  platforms: z.array(platformSchema).min(2).exactOptional(),
  /** What was changed when the bundle was built, one line each; holds no path of the building machine. */
  overrides: z.array(z.string()),
  payload: z.object({
    /** Bytes of an uncompressed SquashFS block. */
    blockSize: count,
    /** zstd compression level. */
    level: z.int(),
    inodes: count,
    /** Bytes of the regular files. */
    contentBytes: count,
    /** Bytes of files that are stored only once although the tree has them again. */
    duplicateBytes: count,
  }),
  /** What the image has and the payload cannot hold. */
  omissions: z.array(z.object({ path: jsonBytesSchema, what: z.string() })).max(OMISSION_LIMIT),
  /** All omissions, also those that are not listed. */
  omissionCount: count,
  launchers: z.array(z.object({ arch: architecture, size: count, sha256: hex256 })),
  /** Auxiliary programs. */
  programs: z.array(programSchema).exactOptional(),
  /** Of the launchers and the auxiliary programs, and of what is linked into them; the image's own are not known. */
  licenses: z.array(licenseSchema).exactOptional(),
});

/** What people and tools read about a bundle; the launcher does not need it. */
export type Manifest = z.infer<typeof schema>;

/** What it says of a licence. */
export type License = z.infer<typeof licenseSchema>;

/** What it says of an auxiliary program. */
export type ProgramManifest = z.infer<typeof programSchema>;

/** What it says of an image. */
export type ImageManifest = z.infer<typeof imageSchema>;

/** What it says of one of several. */
export type PlatformManifest = z.infer<typeof platformSchema>;

/** The listed omissions, bounded in number and bytes, and the number of all. In the order given. */
export function listOmissions(
  omissions: readonly Omission[],
): Pick<Manifest, 'omissions' | 'omissionCount'> {
  const listed: Manifest['omissions'] = [];
  let bytes = 0;
  for (const { path, what } of omissions) {
    bytes += path.length + what.length;
    if (listed.length === OMISSION_LIMIT || bytes > OMISSION_BYTES) break;
    listed.push({ path: encodeJsonBytes(path), what });
  }
  return { omissions: listed, omissionCount: omissions.length };
}

/**
 * The section's bytes: UTF-8 JSON, labels in the order of their names. Throws E_FORMAT for a manifest that does
 * not follow the schema, E_UNSUPPORTED for more than 16 MiB.
 */
export function encodeManifest(manifest: Manifest): Buffer {
  const checked = schema.safeParse(manifest);
  if (!checked.success) {
    throw new RundleError('E_FORMAT', `writing the manifest: ${firstIssue(checked.error)}`);
  }
  const { platforms, ...rest } = checked.data;
  const sorted = {
    ...sortLabels(rest),
    ...(platforms && { platforms: platforms.map(sortLabels) }),
  };
  const bytes = Buffer.from(`${JSON.stringify(sorted, null, 2)}\n`, 'utf8');
  if (bytes.length > MANIFEST_LIMIT) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `writing the manifest: labels and config take ${bytes.length} bytes, at most ${MANIFEST_LIMIT} fit`,
    );
  }
  return bytes;
}

function sortLabels<T extends Pick<Manifest, 'labels'>>(document: T): T {
  const entries = Object.entries(document.labels);
  const labels = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  return { ...document, labels };
}

/** Reads a section's bytes; keys of later versions are left out. `where` names the bundle. Throws E_BUNDLE. */
export function decodeManifest(bytes: Uint8Array, where: string): Manifest {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw damaged(where, `the manifest is damaged: ${reasonOf(error)}`);
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    throw damaged(where, `the manifest is damaged: ${firstIssue(parsed.error)}`);
  }
  return parsed.data;
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'it has no known form' : `${issue.path.join('.')}: ${issue.message}`;
}
