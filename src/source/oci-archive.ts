import { readBlob } from '../blob/blob-reader.js';
import { type BlobStore, blobPath, missingBlob } from '../blob/blob-store.js';
import { RundleError } from '../errors.js';
import { MAX_DOCUMENT_SIZE } from '../oci/document.js';
import { type Archive, type ArchivedImage, openArchive } from './archive.js';
import { loadImage } from './image.js';
import { selectImages } from './oci-layout.js';
import type { LoadedSource } from './source.js';
import {
  parsePathAndReference,
  type SourceContext,
  specificationText,
  type Transport,
} from './transport.js';

/** `oci-archive:FILE[:REF]`: an OCI image layout as a tar archive. */
export const ociArchive: Transport = {
  name: 'oci-archive',
  syntax: 'oci-archive:FILE[:REF]',
  parse: parsePathAndReference,
  async load(specification, context) {
    const { transport, reference } = specification;
    const source = specificationText(specification);
    const archive = await openArchive(specification.location, source, context);
    return loadOciArchive({ archive, source, transport, reference }, context);
  },
};

/** True when the archive has the files of an OCI image layout. */
export function isOciArchive(archive: Archive): boolean {
  return archive.member('oci-layout') !== undefined;
}

/** The image in an archive of an OCI layout, wherever the archive comes from. Errors as `loadSource`, E_USAGE excepted. */
export async function loadOciArchive(
  { archive, source, transport, reference }: ArchivedImage,
  context: SourceContext,
): Promise<LoadedSource> {
  const layout = await readMember(archive, 'oci-layout', source);
  const index = await readMember(archive, 'index.json', source);
  const candidates = selectImages(layout, index, reference, source);
  const store = archiveStore(archive);
  return loadImage({ store, candidates, source, transport, reference }, context);
}

async function readMember(archive: Archive, name: string, source: string): Promise<Buffer> {
  const where = `reading ${source}`;
  const file = archive.member(name);
  if (file === undefined) {
    const isDocker = archive.member('manifest.json') !== undefined;
    throw new RundleError('E_SOURCE', `${where}: there is no ${name} in it`, {
      ...(isDocker && { hint: 'it looks like docker-archive:' }),
    });
  }
  return readBlob(file, {}, MAX_DOCUMENT_SIZE, `${where}: ${name}`);
}

function archiveStore(archive: Archive): BlobStore {
  return {
    async locate(digest, where) {
      const file = archive.member(blobPath(digest));
      if (file === undefined) throw missingBlob(digest, archive.path, where);
      return file;
    },
  };
}
