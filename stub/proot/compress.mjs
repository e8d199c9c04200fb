// Compresses a program as bundles carry it: compress.mjs PROGRAM FILE
// One zstd frame that states its content size. zstd-codec gives the same bytes on every machine.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const LEVEL = 19;

const [program = '', file = ''] = process.argv.slice(2);
const { ZstdCodec } = createRequire(import.meta.url)('zstd-codec');
const zstd = await new Promise((resolve) => ZstdCodec.run(resolve));
const frame = new zstd.Simple().compress(readFileSync(program), LEVEL);
if (!frame) throw new Error(`${program} cannot be compressed`);
writeFileSync(file, frame);
