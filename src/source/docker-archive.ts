import * as v from 'valibot';
import { readBlob } from '../blob/blob-reader.js';
import type { FileRange } from '../blob/file-range.js';
import { RundleError } from '../errors.js';
import { parseConfig } from '../oci/config.js';
import { type Digest, digestOf, isDigest } from '../oci/digest.js';
import { check, MAX_DOCUMENT_SIZE, parseJson, plainText } from '../oci/document.js';
import { list, object } from '../schema.js';
import { type Archive, type ArchivedImage, openArchive } from './archive.js';
import { checkPlatform } from './image-config.js';
import { type LayerFile, mergeLayers } from './layers.js';
import type { LoadedSource } from './source.js';
import {
  parsePathAndReference,
  type SourceContext,
  specificationText,
  type Transport,
} from './transport.js';

/**
 * `docker-archive:FILE[:REF]`: what `docker save` writes. `manifest.json` lists the images; layers are named by path. Newer versions lay the same file
 * over an OCI layout: then the paths carry digests, which are checked.
 */
export const dockerArchive: Transport = {
  name: 'docker-archive',
  syntax: 'docker-archive:FILE[:REF]',
  parse: parsePathAndReference,
  async load(specification, context) {
    const { transport, reference } = specification;
    const source = specificationText(specification);
    const archive = await openArchive(specification.location, source, context);
    return loadDockerArchive({ archive, source, transport, reference }, context);
  },
};

/** True when the archive has what `docker save` writes. */
export function isDockerArchive(archive: Archive): boolean {
  return archive.member('manifest.json') !== undefined;
}

/** The image in an archive of `docker save`, wherever the archive comes from. Errors as `loadSource`, E_USAGE excepted. */
export async function loadDockerArchive(
  { archive, source, transport, reference }: ArchivedImage,
  context: SourceContext,
): Promise<LoadedSource> {
  const where = `reading ${source}`;
  const image = chooseImage(await readImages(archive, where), reference, source);
  const config = await readMember(archive, image.Config, where);
  const parsed = parseConfig(config, `${where}: ${image.Config}`);
  checkPlatform(parsed, context.platform, source);
  const layers = layersOf(archive, image, parsed.diffIds, where);
  const { root, omissions, diffIds } = await mergeLayers(layers, true, context);
  const provenance = {
    transport,
    ...(reference !== undefined && { reference }),
    configDigest: digestOf(config),
    diffIds,
  };
  return { root, config: parsed.config, provenance, omissions };
}

const names = list(plainText, 4096);

const imagesSchema = list(
  object({
    Config: plainText,
    RepoTags: v.nullish(names),
    Layers: names,
  }),
  4096,
);

type SavedImage = v.InferOutput<typeof imagesSchema>[number];

async function readImages(archive: Archive, where: string): Promise<SavedImage[]> {
  const file = archive.member('manifest.json');
  if (file === undefined) {
    const isLayout = archive.member('oci-layout') !== undefined;
    throw new RundleError('E_SOURCE', `${where}: there is no manifest.json in it`, {
      hint: isLayout ? 'it looks like oci-archive:' : 'save the image anew with docker save',
    });
  }
  const name = `${where}: manifest.json`;
  const bytes = await readBlob(file, {}, MAX_DOCUMENT_SIZE, name);
  return check(imagesSchema, parseJson(bytes, name), name);
}

/** By tag (`latest` and Docker Hub's prefix may be left out), or by `@INDEX` from 0. */
function chooseImage(
  images: readonly SavedImage[],
  reference: string | undefined,
  source: string,
): SavedImage {
  const found = images.filter(({ RepoTags }, index) => {
    if (reference === undefined || reference === `@${index}`) return true;
    return (RepoTags ?? []).some((tag) => familiar(tag) === familiar(reference));
  });
  const [image] = found;
  if (image !== undefined && found.length === 1) return image;
  const names = images.map(({ RepoTags }, index) => RepoTags?.[0] ?? `@${index}`);
  const list = names.length === 0 ? 'no image at all' : names.join(', ');
  const why = found.length === 0 ? 'no image of that name in it' : 'it has several images';
  const base = reference === undefined ? source : source.slice(0, -reference.length - 1);
  throw new RundleError('E_SOURCE', `reading ${source}: ${why}; there is ${list}`, {
    details: { names },
    ...(names.length > 0 && { hint: `name one of them, for example ${base}:${names[0]}` }),
  });
}

/** `docker.io/library/x` and `x:latest` as people write them: `x`. */
function familiar(name: string): string {
  return name
    .replace(/^(?:index\.)?docker\.io\//, '')
    .replace(/^library\//, '')
    .replace(/:latest$/, '');
}

/** A member whose path names its digest is checked against it. */
async function readMember(archive: Archive, name: string, where: string): Promise<Buffer> {
  const file = memberOrFail(archive, name, where);
  return readBlob(file, { digest: digestInPath(name) }, MAX_DOCUMENT_SIZE, `${where}: ${name}`);
}

function layersOf(
  archive: Archive,
  { Layers }: SavedImage,
  diffIds: readonly Digest[],
  where: string,
): LayerFile[] {
  if (Layers.length !== diffIds.length) {
    throw new RundleError(
      'E_FORMAT',
      `${where}: manifest.json has ${Layers.length} layers, the config ${diffIds.length} diffIDs`,
    );
  }
  return Layers.map((name, index) => {
    const file = memberOrFail(archive, name, where);
    const digest = name.startsWith('blobs/') ? digestInPath(name) : undefined;
    return { file, digest, diffId: diffIds[index], label: name };
  });
}

function memberOrFail(archive: Archive, name: string, where: string): FileRange {
  const file = archive.member(name);
  if (file !== undefined) return file;
  throw new RundleError('E_SOURCE', `${where}: there is no ${name} in ${archive.path}`, {
    hint: 'the image is incomplete; get it again',
  });
}

/** `blobs/sha256/HEX`, and a config's `HEX.json`. */
function digestInPath(name: string): Digest | undefined {
  const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
  const digest = `sha256:${hex}`;
  return isDigest(digest) ? digest : undefined;
}
