import { basename, resolve } from 'node:path';
import { RundleError } from '../errors.js';
import { parseSource } from '../source/open.js';

/** Endings of archives and images, which say nothing about what is inside. */
const ARCHIVE = /\.(tar|tgz|tzst|tar\.(gz|zst|zstd|xz|bz2)|sqsh|squashfs|sqfs|sif|run)$/i;

/**
 * The bundle's name when none was given: the source's own name, and its reference unless that is `latest`, in characters
 * that need no quoting anywhere. Throws E_USAGE as `parseSource`, and for a source without a name.
 */
export function outputName(source: string): string {
  const { transport, location, reference } = parseSource(source);
  if (transport === '-') {
    throw new RundleError('E_USAGE', 'a bundle made from standard input has no name of its own', {
      hint: 'name it with -o FILE.run',
    });
  }
  const name = plain(basename(resolve(location)).replace(ARCHIVE, ''));
  const tag = plain(reference ?? '').replace(/^latest$/, '');
  return `${[name, tag].filter((part) => part !== '').join('-') || 'image'}.run`;
}

function plain(text: string): string {
  return text.replace(/[^A-Za-z0-9._+-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '');
}
