import { expect, test } from 'vitest';
import type { FileRecord } from '#rundle/squashfs/census.js';
import { planStages } from '#rundle/squashfs/stages.js';
import type { LayerContents, LayerSpool } from '#rundle/tree/layer-contents.js';
import type { RegularFile } from '#rundle/tree/node.js';
import { file, plain } from './support/trees.js';

const PAGE = 4096;
const spool = {} as LayerSpool;

const layer = (pages: number): LayerContents => ({ size: pages * PAGE, path: '', spool });

/** A file of `pages` whole pages of a layer, from `page` on. */
function within(contents: LayerContents, page: number, pages: number): RegularFile {
  const data = { kind: 'layer' as const, layer: contents };
  const extents = [{ at: 0, length: pages * PAGE, data, offset: page * PAGE }];
  return { kind: 'file', ...plain, size: pages * PAGE, extents };
}

const record = (node: RegularFile) => ({ node }) as FileRecord;

function stagesOf(nodes: RegularFile[], first: RegularFile[] = []): number[][] {
  const stages = planStages(nodes.map(record), first);
  return stages.map(({ files }) => files.map(({ node }) => nodes.indexOf(node)));
}

test('one layer, or none, is one stage', () => {
  const only = layer(9);
  expect(stagesOf([])).toEqual([[]]);
  expect(stagesOf([file(Buffer.from('x')), within(only, 0, 2), within(only, 2, 3)])).toEqual([
    [0, 1, 2],
  ]);
});

test('the largest layer comes first, and the others share what room it takes', () => {
  const [small, largest, middle, tiny] = [layer(40), layer(100), layer(70), layer(31)] as const;
  const nodes = [
    within(small, 0, 30),
    within(largest, 0, 10),
    file(Buffer.from('in no layer')),
    within(middle, 0, 60),
    within(tiny, 0, 10),
    within(tiny, 20, 1),
    within(middle, 60, 10),
  ];
  // Of `tiny` 11 pages are in the tree: with the 70 of `middle` there is no room left for the 30 of `small`.
  expect(stagesOf(nodes)).toEqual([
    [1, 2],
    [0, 3, 6],
    [4, 5],
  ]);
  expect(stagesOf(nodes, [nodes[4] as RegularFile])[0]).toEqual([1, 2, 4]);
});

test('a stage says which parts it needs, with little gaps closed', () => {
  const only = layer(100);
  const nodes = [within(only, 50, 2), within(only, 1, 1), within(only, 52, 1)];
  const [stage] = planStages(nodes.map(record), []);
  expect([...(stage?.parts ?? [])]).toEqual([
    [
      only,
      [
        { from: PAGE, to: 2 * PAGE },
        { from: 50 * PAGE, to: 53 * PAGE },
      ],
    ],
  ]);
});

test('as many files as an image may have', () => {
  const only = layer(1);
  const files = Array.from({ length: 300_000 }, () => record(within(only, 0, 1)));
  const [stage] = planStages(files, []);
  expect(stage?.files.length).toBe(files.length);
});
