import * as v from 'valibot';
import { RundleError } from '../errors.js';
import { check, type Descriptor, parseIndex, parseJson } from '../oci/document.js';
import { object } from '../schema.js';

/** OCI image spec, annotations.md: the name of an image in a layout. */
const REF_NAME = 'org.opencontainers.image.ref.name';
/** What BuildKit and containerd call the image in full. */
const IMAGE_NAME = 'io.containerd.image.name';

/**
 * The descriptors in a layout's `index.json` that `reference` means: a name, `@DIGEST`, `NAME@DIGEST`, `@INDEX` (from 0), or nothing when there
 * is one image only. More than one descriptor is given for one image on several platforms. `source` is the source as the user wrote it. Throws E_FORMAT for
 * malformed files, E_SOURCE with the names there are when none fits or several do.
 */
export function selectImages(
  layoutFile: Uint8Array,
  indexFile: Uint8Array,
  reference: string | undefined,
  source: string,
): Descriptor[] {
  const where = `reading ${source}`;
  const version = object({ imageLayoutVersion: v.pipe(v.string(), v.maxLength(64)) });
  const layout = check(
    version,
    parseJson(layoutFile, `${where}: oci-layout`),
    `${where}: oci-layout`,
  );
  if (!layout.imageLayoutVersion.startsWith('1.')) {
    throw new RundleError(
      'E_UNSUPPORTED',
      `${where}: the layout has the unknown version ${layout.imageLayoutVersion}`,
    );
  }
  const { manifests } = parseIndex(indexFile, `${where}: index.json`);
  const found = distinct(
    manifests.filter((descriptor) => matches(descriptor, reference, manifests)),
  );
  if (found.length === 1 || (found.length > 1 && isOneImage(found))) return found;
  throw notOne(manifests, found.length, reference, source);
}

function matches(
  descriptor: Descriptor,
  reference: string | undefined,
  all: readonly Descriptor[],
): boolean {
  if (reference === undefined) return true;
  const at = reference.lastIndexOf('@');
  const name = at < 0 ? reference : reference.slice(0, at);
  const pin = at < 0 ? undefined : reference.slice(at + 1);
  if (name !== '' && !namesOf(descriptor).includes(name)) return false;
  if (pin === undefined || pin === descriptor.digest) return true;
  return name === '' && /^\d{1,4}$/.test(pin) && all[Number(pin)] === descriptor;
}

function namesOf({ annotations }: Descriptor): string[] {
  return [annotations?.[REF_NAME], annotations?.[IMAGE_NAME]].filter((name) => name !== undefined);
}

/** One manifest under several tags is one image. */
function distinct(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
}

/** Manifests of one name, or without names, that say which platform each is for. */
function isOneImage(descriptors: readonly Descriptor[]): boolean {
  const names = new Set(descriptors.map((descriptor) => namesOf(descriptor).join(' ')));
  return names.size === 1 && descriptors.every(({ platform }) => platform !== undefined);
}

function notOne(
  all: readonly Descriptor[],
  found: number,
  reference: string | undefined,
  source: string,
): RundleError {
  const names = all.map((descriptor) => namesOf(descriptor)[0] ?? `@${descriptor.digest}`);
  const list = names.length === 0 ? 'no image at all' : [...new Set(names)].sort().join(', ');
  const why = found === 0 ? 'no image of that name in it' : 'it has several images';
  const base = reference === undefined ? source : source.slice(0, -reference.length - 1);
  return new RundleError('E_SOURCE', `reading ${source}: ${why}; there is ${list}`, {
    details: { names },
    ...(names.length > 0 && { hint: `name one of them, for example ${base}:${names[0]}` }),
  });
}
