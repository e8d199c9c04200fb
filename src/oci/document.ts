import * as v from 'valibot';
import { RundleError } from '../errors.js';
import { count, list, listFaults, object, record, type Schema, validate } from '../schema.js';
import { type Digest, isDigest } from './digest.js';
import { type DocumentKind, documentKind } from './media-type.js';

/**
 * Descriptors, manifests and indexes as they come from outside: OCI image spec 1.1, descriptor.md,
 * manifest.md, image-index.md. Everything has a bound; unknown fields are dropped.
 */

/** Largest manifest, index or config that is read, as registries enforce it. */
export const MAX_DOCUMENT_SIZE = 4 * 1024 * 1024;

/** Text that can go into messages, environment blocks and C strings. */
export const plainText = v.pipe(
  v.string(),
  v.maxLength(65_536),
  v.check((text) => !text.includes('\0'), 'holds a NUL character'),
);

/** What names a blob, or a layer before compression. */
export const digestSchema = v.custom<Digest>(
  (value) => typeof value === 'string' && isDigest(value),
  'is not a sha256 or sha512 digest',
);

/** JSON null, which Go programs write for an empty list or map, counts as absent. */
function orAbsent<T>(schema: Schema<T>) {
  return v.nullish(schema, () => undefined);
}

/** What points at a blob. */
export interface Descriptor {
  /** Empty when it says none. */
  mediaType: string;
  digest: Digest;
  /** Bytes. */
  size: number;
  urls: string[] | undefined;
  annotations: Record<string, string> | undefined;
  /** Of the image, where an index lists it. */
  platform: { architecture: string; os: string; variant: string | undefined } | undefined;
}

const platform = object({
  architecture: plainText,
  os: plainText,
  variant: orAbsent(plainText),
});

const descriptor: Schema<Descriptor> = object({
  mediaType: v.optional(plainText, ''),
  digest: digestSchema,
  size: count,
  urls: orAbsent(list(plainText, 64)),
  annotations: orAbsent(record(plainText, plainText)),
  platform: orAbsent(platform),
});

const descriptors = list(descriptor, 4096);

const manifestSchema = object({
  schemaVersion: v.literal(2),
  mediaType: orAbsent(plainText),
  config: descriptor,
  layers: descriptors,
});

const indexSchema = object({
  schemaVersion: v.literal(2),
  mediaType: orAbsent(plainText),
  manifests: v.nullish(descriptors, () => []),
});

/** What tells manifests and indexes from each other. */
const fieldsSchema = object({
  mediaType: orAbsent(plainText),
  config: v.optional(v.unknown()),
  layers: v.optional(v.unknown()),
  manifests: v.optional(v.unknown()),
});

type Fields = v.InferOutput<typeof fieldsSchema>;

export type Manifest = v.InferOutput<typeof manifestSchema>;
export type Index = v.InferOutput<typeof indexSchema>;

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
  const fields = check(fieldsSchema, json, where);
  const looksLike = kindByFields(fields, where);
  const inside = fields.mediaType === undefined ? undefined : documentKind(fields.mediaType);
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

function kindByFields(fields: Fields, where: string): DocumentKind {
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
export function check<T>(schema: Schema<T>, value: unknown, where: string): T {
  const validated = validate(schema, value);
  if (validated.valid) return validated.value;
  throw new RundleError('E_FORMAT', `${where}: ${listFaults(validated.faults, 'document')}`);
}
