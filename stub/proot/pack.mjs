// Makes of PRoot what bundles carry: pack.mjs PROGRAM COPYING TALLOC_VERSION DIRECTORY
// DIRECTORY/proot.zst is one zstd frame that states its content size; DIRECTORY/proot.json is what the manifest of a
// bundle says of it, with the licences of all that was linked into PROGRAM. zstd-codec gives the same bytes everywhere.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const LEVEL = 19;

const [program = '', copying = '', tallocVersion = '', directory = ''] = process.argv.slice(2);
const { ZstdCodec } = createRequire(import.meta.url)('zstd-codec');
const zstd = await new Promise((resolve) => ZstdCodec.run(resolve));
const bytes = readFileSync(program);
const frame = new zstd.Simple().compress(bytes, LEVEL);
if (!frame) throw new Error(`${program} cannot be compressed`);
writeFileSync(join(directory, 'proot.zst'), frame);

const { name, version, license, sha256, urls } = readJson('source.json');
const source = { url: urls[0], sha256 };
const description = {
  name,
  version,
  license,
  source,
  unpackedSize: bytes.length,
  licenses: [
    { name, version, license, source, text: lines(copying) },
    {
      name: 'talloc',
      version: tallocVersion,
      license: 'LGPL-3.0-or-later',
      source: { url: `https://www.samba.org/ftp/talloc/talloc-${tallocVersion}.tar.gz` },
      text: [...lines(here('../licenses/LGPL-3.0.txt')), '', ...lines(here('../licenses/GPL-3.0.txt'))],
    },
  ],
};
writeFileSync(join(directory, 'proot.json'), `${JSON.stringify(description, null, 2)}\n`);

function here(name) {
  return new URL(name, import.meta.url);
}

function readJson(name) {
  return JSON.parse(readFileSync(here(name), 'utf8'));
}

function lines(file) {
  return readFileSync(file, 'utf8').replaceAll('\f', '').trimEnd().split('\n');
}
