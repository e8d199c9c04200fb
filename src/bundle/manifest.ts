import * as v from 'valibot';
import { RundleError, reasonOf } from '../errors.js';
import type { Provenance } from '../oci/provenance.js';
import {
  count,
  type Fault,
  integer,
  list,
  object,
  record,
  type Schema,
  validate,
} from '../schema.js';
import type { Omission } from '../tree/node.js';
import { ARCHITECTURES, type Architecture } from './architecture.js';
import { damaged } from './damage.js';
import { encodeJsonBytes, jsonBytesSchema } from './json-bytes.js';

/** Most bytes that a manifest takes. */
export const MANIFEST_LIMIT = 16 << 20;

/** Most omissions that are listed; the others are counted. */
export const OMISSION_LIMIT = 10_000;

/** Most bytes that the listed omissions take, so that long paths cannot fill the manifest. */
const OMISSION_BYTES = 1 << 20;

const name = v.pipe(v.string(), v.minLength(1));
const hex256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const architecture = v.picklist(ARCHITECTURES);

const provenanceSchema: Schema<Provenance> = object({
  transport: name,
  reference: v.exactOptional(v.string()),
  indexDigest: v.exactOptional(v.string()),
  manifestDigest: v.exactOptional(v.string()),
  configDigest: v.exactOptional(v.string()),
  diffIds: v.array(v.string()),
});

/** How an image is run, after overrides. */
const configSchema = object({
  entrypoint: v.array(jsonBytesSchema),
  cmd: v.array(jsonBytesSchema),
  /** `KEY=VALUE`. */
  env: v.array(jsonBytesSchema),
  workdir: jsonBytesSchema,
  user: v.string(),
  stopSignal: v.exactOptional(v.string()),
  exposedPorts: v.array(v.string()),
  volumes: v.array(v.string()),
});

const labelsSchema = record(v.string(), v.string());

/** What a bundle needs of its host. */
const requirementSchema = object({
  /** As in the launch config; missing when nothing of it can be checked. */
  text: v.exactOptional(v.string()),
  /** The variable of the image that asks for it; missing for what was asked for at build time. */
  from: v.exactOptional(v.string()),
  /** Conditions of that variable that no host is compared with. */
  notChecked: v.exactOptional(v.array(v.string())),
});

export type BundleRequirement = v.InferOutput<typeof requirementSchema>;

const image = {
  labels: labelsSchema,
  provenance: provenanceSchema,
  /** RFC 3339, as the image says. */
  created: v.exactOptional(v.string()),
  config: configSchema,
  requirements: v.exactOptional(v.array(requirementSchema)),
};

const imageSchema = object(image);

const platformSchema = object({
  arch: architecture,
  /** Its directory in the payload, and what is in there; missing when it has all of the payload. */
  root: v.exactOptional(jsonBytesSchema),
  inodes: v.exactOptional(count),
  contentBytes: v.exactOptional(count),
  ...image,
});

const sourceSchema = object({ url: name, sha256: v.exactOptional(hex256) });

/** One program or library and its licence. */
export const licenseSchema = object({
  /** The program or library. */
  name,
  version: v.exactOptional(v.string()),
  /** SPDX expression. */
  license: name,
  /** Where its source is. */
  source: v.exactOptional(sourceSchema),
  /** The licence itself, line by line: the launcher reads at most 4095 bytes of a string. */
  text: v.array(v.string()),
});

/** What comes with an auxiliary program, of which a bundle may have one for each architecture. */
export const programDescription = {
  name,
  version: name,
  /** SPDX expression. */
  license: name,
  source: sourceSchema,
};

const sectionSchema = object({ size: count, sha256: hex256, unpackedSize: count });

type Sections = Partial<Record<Architecture, v.InferOutput<typeof sectionSchema>>>;

function areOfArchitectures(sections: object): sections is Sections {
  return unknownKeys(sections).length === 0;
}

function unknownKeys(sections: object): string[] {
  return Object.keys(sections).filter((key) => !v.is(architecture, key));
}

const programSchema = object({
  ...programDescription,
  /** Its sections, of kind 6: `size` and `sha256` as in the table, `unpackedSize` of what is in the frame. */
  sections: v.pipe(
    record(v.string(), sectionSchema),
    v.guard(areOfArchitectures, ({ input }) => {
      const unknown = unknownKeys(input);
      return `Unrecognized key${unknown.length > 1 ? 's' : ''}: "${unknown.join('", "')}"`;
    }),
  ),
});

const schema = object({
  /** Version of this document. */
  schema: v.literal(1),
  /** Version of the rundle that made the bundle. */
  rundle: name,
  /** Short name: the output's base name without `.run`. */
  name: jsonBytesSchema,
  description: v.exactOptional(v.string()),
  labels: labelsSchema,
  architectures: v.pipe(v.array(architecture), v.minLength(1)),
  provenance: provenanceSchema,
  /** RFC 3339, as the image says. */
  created: v.exactOptional(v.string()),
  config: configSchema,
  requirements: v.exactOptional(v.array(requirementSchema)),
  /** With several architectures: the image of each, in their order. What stands outside is then that of the first. */
  platforms: v.exactOptional(v.pipe(v.array(platformSchema), v.minLength(2))),
  /** What was changed when the bundle was built, one line each; holds no path of the building machine. */
  overrides: v.array(v.string()),
  payload: object({
    /** Bytes of an uncompressed SquashFS block. */
    blockSize: count,
    /** zstd compression level. */
    level: integer,
    inodes: count,
    /** Bytes of the regular files. */
    contentBytes: count,
    /** Bytes of files that are stored only once although the tree has them again. */
    duplicateBytes: count,
  }),
  /** What the image has and the payload cannot hold. */
  omissions: list(object({ path: jsonBytesSchema, what: v.string() }), OMISSION_LIMIT),
  /** All omissions, also those that are not listed. */
  omissionCount: count,
  launchers: v.array(object({ arch: architecture, size: count, sha256: hex256 })),
  /** Auxiliary programs. */
  programs: v.exactOptional(v.array(programSchema)),
  /** Of the launchers and the auxiliary programs, and of what is linked into them; the image's own are not known. */
  licenses: v.exactOptional(v.array(licenseSchema)),
});

/** What people and tools read about a bundle; the launcher does not need it. */
export type Manifest = v.InferOutput<typeof schema>;

/** What it says of a licence. */
export type License = v.InferOutput<typeof licenseSchema>;

/** What it says of an auxiliary program. */
export type ProgramManifest = v.InferOutput<typeof programSchema>;

/** What it says of an image. */
export type ImageManifest = v.InferOutput<typeof imageSchema>;

/** What it says of one of several. */
export type PlatformManifest = v.InferOutput<typeof platformSchema>;

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
  const checked = validate(schema, manifest);
  if (!checked.valid) {
    throw new RundleError('E_FORMAT', `writing the manifest: ${firstOf(checked.faults)}`);
  }
  const { platforms, ...rest } = checked.value;
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
  const parsed = validate(schema, document);
  if (!parsed.valid) {
    throw damaged(where, `the manifest is damaged: ${firstOf(parsed.faults)}`);
  }
  return parsed.value;
}

function firstOf([fault]: readonly [Fault, ...Fault[]]): string {
  return `${fault.path}: ${fault.reason}`;
}
