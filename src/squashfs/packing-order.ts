import type { ByteString } from '../tree/byte-string.js';
import type { RegularFile } from '../tree/node.js';
import type { FileRecord } from './census.js';

/**
 * The order in which contents are placed. Files of `first` come first, as they are given. The others follow in tree order, except that
 * files with the same name are brought together, at the place of the first: what stands in many directories under one
 * name (message catalogues of all languages, `__init__.py`, copyright files) is alike, and shares fragment blocks; so are a Python
 * module and what it was compiled to. README.md has the gain. The rest keeps its neighbours, which are read together too.
 *
 * Files in an image come last, in the order of the image: a block that has to be decoded is decoded once then, and not again for each of the
 * files that share it; and blocks that are copied stay in their order.
 */
export function packingOrder(
  files: readonly FileRecord[],
  first: readonly RegularFile[],
): FileRecord[] {
  const byNode = new Map(files.map((file) => [file.node, file]));
  const placed = new Set<FileRecord>();
  for (const node of first) {
    const file = byNode.get(node);
    if (file !== undefined) placed.add(file);
  }
  const byName = new Map<string, FileRecord[]>();
  const inImage: [FileRecord, ImagePosition][] = [];
  for (const file of files) {
    if (placed.has(file)) continue;
    const position = positionInImage(file);
    if (position !== undefined) {
      inImage.push([file, position]);
      continue;
    }
    const name = nameOfSource(file.name);
    const namesakes = byName.get(name);
    if (namesakes === undefined) byName.set(name, [file]);
    else namesakes.push(file);
  }
  inImage.sort(([, a], [, b]) => a.block - b.block || a.offset - b.offset);
  return [...placed, ...[...byName.values()].flat(), ...inImage.map(([file]) => file)];
}

/** The name of what a file was made from: Python's compiled modules (PEP 3147) repeat names and texts of their source. */
function nameOfSource(name: ByteString): ByteString {
  return name.replace(/(\.[a-z]+-[0-9]+(\.opt-[0-9])?)?\.pyc$/, '.py') as ByteString;
}

interface ImagePosition {
  block: number;
  offset: number;
}

/** Where the end of a file is, which may share a block with others; undefined for a file that is in no image. */
function positionInImage({ node }: FileRecord): ImagePosition | undefined {
  const last = node.extents.at(-1);
  if (last?.data.kind !== 'block') return undefined;
  return { block: last.data.position, offset: last.offset };
}
