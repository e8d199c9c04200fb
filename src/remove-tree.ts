import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { type ByteString, fromBytes, toBytes } from './tree/byte-string.js';

/**
 * Removes everything in the directory `path`, whatever its names and modes, and follows no link. `fs.rm` does neither: it takes
 * names as text, and stops at a directory that its owner may not write. Throws the error of what cannot be removed.
 */
export function removeContents(path: ByteString): void {
  chmodSync(toBytes(path), 0o700);
  for (const name of readdirSync(toBytes(path), { encoding: 'buffer' })) {
    const child = `${path}/${fromBytes(name)}` as ByteString;
    if (lstatSync(toBytes(child)).isDirectory()) {
      removeContents(child);
      rmdirSync(toBytes(child));
    } else {
      unlinkSync(toBytes(child));
    }
  }
}
