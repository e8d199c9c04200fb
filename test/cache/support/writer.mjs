// Begins to download a blob into a cache and tells when so many bytes are there; then it waits for orders on standard input:
// "more N", "complete". Arguments: cache, fallback directory, digest, file with the bytes, bytes to write at first.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { withBlobCache } from '../../../dist/cache/blob-cache.js';

const [directory, fallback, digest, file, first, stall] = process.argv.slice(2);
const bytes = readFileSync(file);
const say = (text) => process.stdout.write(`${text}\n`);
const settings = {
  directory,
  readOnly: [],
  fallback,
  remark: (text) => say(`remark ${text}`),
  ...(stall && { stall: Number(stall) }),
};

await withBlobCache(settings, async (cache) => {
  const partial = await cache.begin(digest, bytes.length);
  if ('offset' in partial) {
    say(`found ${partial.size}`);
    return;
  }
  say(`begun ${partial.size}`);
  const more = async (count) => {
    await partial.write(bytes.subarray(partial.size, partial.size + count));
    say(`have ${partial.size}`);
  };
  if (Number(first) > 0) await more(Number(first));
  for await (const line of createInterface({ input: process.stdin })) {
    const [order, count] = line.split(' ');
    if (order === 'more') await more(Number(count));
    if (order === 'complete') {
      await more(bytes.length);
      const { path } = await partial.complete();
      say(`complete ${path}`);
      return;
    }
  }
});
