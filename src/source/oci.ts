import { join, resolve } from 'node:path';
import { readBlob } from '../blob/blob-reader.js';
import { directoryStore } from '../blob/blob-store.js';
import { wholeFile } from '../blob/file-range.js';
import { MAX_DOCUMENT_SIZE } from '../oci/document.js';
import { loadImage } from './image.js';
import { selectImages } from './oci-layout.js';
import { parsePathAndReference, specificationText, type Transport } from './transport.js';

/** `oci:DIR[:REF]`: an OCI image layout (image-layout.md) in a directory. */
export const ociLayout: Transport = {
  name: 'oci',
  syntax: 'oci:DIR[:REF]',
  parse: parsePathAndReference,
  async load(specification, context) {
    const { transport, reference } = specification;
    const directory = resolve(specification.location);
    const source = specificationText(specification);
    const layout = await readDocument(join(directory, 'oci-layout'), source);
    const index = await readDocument(join(directory, 'index.json'), source);
    const candidates = selectImages(layout, index, reference, source);
    const store = directoryStore(directory);
    return loadImage({ store, candidates, source, transport, reference }, context);
  },
};

async function readDocument(path: string, source: string): Promise<Buffer> {
  const where = `reading ${source}`;
  return readBlob(await wholeFile(path, where), {}, MAX_DOCUMENT_SIZE, where);
}
