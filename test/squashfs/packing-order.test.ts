import { expect, test } from 'vitest';
import { takeCensus } from '#rundle/squashfs/census.js';
import { packingOrder } from '#rundle/squashfs/packing-order.js';
import { toDisplay } from '#rundle/tree/byte-string.js';
import { directory, file } from './support/trees.js';

/** The paths of files in the order in which their contents are placed. */
function order(root: ReturnType<typeof directory>): string[] {
  const { files } = takeCensus(root);
  return packingOrder(files, []).map((one) =>
    toDisplay(`${one.directory.path}/${one.name}`.replace(/^\//, '') as typeof one.name),
  );
}

test('files of one name stand together, at the place of the first', () => {
  const names = () => directory({ 'a.mo': file('1'), 'b.mo': file('2') });
  expect(order(directory({ de: names(), fr: names() }))).toEqual([
    'de/a.mo',
    'fr/a.mo',
    'de/b.mo',
    'fr/b.mo',
  ]);
});

test.each([
  ['m.cpython-311.pyc', true],
  ['m.cpython-311.opt-1.pyc', true],
  ['m.pypy-39.pyc', true],
  ['m.pyc', true],
  ['m.cpython-311.pyo', false],
  ['m.txt', false],
  ['.pyc', false],
])('what a Python module was compiled to stands beside it: %s %s', (name, isBeside) => {
  const root = directory({
    __pycache__: directory({ [name]: file('1') }),
    'a.py': file('2'),
    'm.py': file('3'),
    'z.py': file('4'),
  });
  const places = order(root);
  expect(places).toContain('m.py');
  const distance = places.indexOf('m.py') - places.indexOf(`__pycache__/${name}`);
  expect(Math.abs(distance) === 1).toBe(isBeside);
});
