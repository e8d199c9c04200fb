import { z } from 'zod';
import { RundleError } from '../errors.js';
import { type Digest, isDigest } from './digest.js';
import { type DocumentKind, documentKind } from './media-type.js';

/**
 * Descriptors, manifests and indexes as they come from outside: OCI image spec 1.1, descriptor.md,
 * manifest.md, image-index.md. Everything has a bound; unknown fields are dropped.
 */

/** Largest manifest, index or config that is read, as registries enforce it. */
export const MAX_DOCUMENT_SIZE = 4 * 1024 * 1024;

/** Text that can go into messages, environment blocks and C strings. */
export const plainText = z
  .string()
  .max(65_536)
  .refine((text) => !text.includes('\0'), 'holds a NUL character');

const digest = z.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'is not a sha256 or sha512 digest',
);

/** JSON null, which Go programs write for an empty list or map, counts as absent. */
function orAbsent<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

const platform = z.object({
  architecture: plainText,
  os: plainText,
  variant: orAbsent(plainText),
});

export const descriptorSchema = z.object({
  mediaType: plainText.default(''),
  digest,
  size: z.int().min(0),
  urls: orAbsent(z.array(plainText).max(64)),
  annotations: orAbsent(z.record(plainText, plainText)),
  platform: orAbsent(platform),
});

/** What points at a blob: type, digest and size in bytes. */
export type Descriptor = z.infer<typeof descriptorSchema>;

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: orAbsent(plainText),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(4096),
});

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: orAbsent(plainText),
  manifests: orAbsent(z.array(descriptorSchema).max(4096)).transform((list) => list ?? []),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type Index = z.infer<typeof indexSchema>;

export type ImageDocument =
  | { kind: 'manifest'; manifest: Manifest }
  | { kind: 'index'; index: Index };

/**
 * A manifest or an index. `mediaType` is the one it was announced with, empty when it was not; `where` begins
 * messages. A document that could be read as both, or that contradicts its media type,
 * is refused: two programs would see two images in it. Throws E_FORMAT.
 */
export function parseDocument(bytes: Uint8Array, mediaType: string, where: string): ImageDocument {
  const json = parseJson(bytes, where);
  const fields = z.looseObject({ mediaType: orAbsent(plainText) }).safeParse(json);
  if (!fields.success) throw malformed(where, fields.error);
  const looksLike = kindByFields(fields.data, where);
  const inside =
    fields.data.mediaType === undefined ? undefined : documentKind(fields.data.mediaType);
  for (const announced of [documentKind(mediaType), inside]) {
    if (announced !== undefined && announced !== looksLike) {
      throw new RundleError(
        'E_FORMAT',
        `${where}: its media type says ${announced}, its fields say ${looksLike}`,
      );
    }
  }
  if (looksLike === 'index') return { kind: 'index', index: check(indexSchema, json, where) };
  return { kind: 'manifest', manifest: check(manifestSchema, json, where) };
}

/** An index, such as the `index.json` of a layout. Throws E_FORMAT. */
export function parseIndex(bytes: Uint8Array, where: string): Index {
  return check(indexSchema, parseJson(bytes, where), where);
}

function kindByFields(fields: Record<string, unknown>, where: string): DocumentKind {
  const isManifest = fields.layers !== undefined || fields.config !== undefined;
  const isIndex = fields.manifests !== undefined;
  if (isManifest !== isIndex) return isIndex ? 'index' : 'manifest';
  const why = isIndex
    ? 'it has the fields of a manifest and of an index'
    : 'it has neither "layers" nor "manifests"';
  throw new RundleError('E_FORMAT', `${where}: ${why}`);
}

/** JSON in valid UTF-8, at most MAX_DOCUMENT_SIZE bytes. Throws E_FORMAT; `where` begins the message. */
export function parseJson(bytes: Uint8Array, where: string): unknown {
  if (bytes.length > MAX_DOCUMENT_SIZE) {
    throw new RundleError(
      'E_FORMAT',
      `${where}: ${bytes.length} bytes are more than the ${MAX_DOCUMENT_SIZE} allowed`,
    );
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new RundleError('E_FORMAT', `${where}: it is not JSON in UTF-8`, { cause });
  }
}

/** `value` as `schema` describes it. Throws E_FORMAT with the first fields that do not fit; `where` begins the message. */
export function check<T extends z.ZodType>(schema: T, value: unknown, where: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (!result.success) throw malformed(where, result.error);
  return result.data;
}

function malformed(where: string, error: z.ZodError): RundleError {
  const faults = error.issues
    .slice(0, 3)
    .map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`);
  return new RundleError('E_FORMAT', `${where}: ${faults.join('; ')}`, { cause: error });
}
