import type { RegularFile } from '../tree/node.js';
import type { FileRecord } from './census.js';

/**
 * The order in which contents are placed. Files of `first` come first, as they are given. The others follow in tree order, except that
 * files with the same name are brought together, at the place of the first: what stands in many directories under one
 * name (message catalogues of all languages, `__init__.py`, copyright files) is alike, and shares fragment blocks. README.md has
 * the gain. The rest keeps its neighbours, which are read together too.
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
  for (const file of files) {
    if (placed.has(file)) continue;
    const namesakes = byName.get(file.name);
    if (namesakes === undefined) byName.set(file.name, [file]);
    else namesakes.push(file);
  }
  return [...placed, ...[...byName.values()].flat()];
}
