import { readFile } from 'node:fs/promises';
import { RundleError, reasonOf } from '../errors.js';
import type { License } from './manifest.js';

/** What every bundle has in it, and where this installation has the licence. */
const COMPONENTS = [
  { name: 'rundle', license: 'Apache-2.0', file: 'LICENSE' },
  {
    name: 'musl',
    license: 'MIT',
    source: { url: 'https://musl.libc.org/' },
    file: 'stub/licenses/musl.txt',
  },
  {
    name: 'Zstandard',
    license: 'BSD-3-Clause',
    source: { url: 'https://github.com/facebook/zstd' },
    file: 'stub/licenses/zstd.txt',
  },
] as const;

/**
 * The licences of header and launchers, of version `version`, and of what is linked into them. Throws E_LAUNCHER
 * when one cannot be read.
 */
export async function launcherLicenses(version: string): Promise<License[]> {
  return Promise.all(
    COMPONENTS.map(async ({ file, ...component }) => ({
      ...component,
      ...(component.name === 'rundle' && { version }),
      text: await readLines(file),
    })),
  );
}

async function readLines(file: string): Promise<string[]> {
  try {
    const text = await readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
    return text.replace(/^\n+|\s+$/g, '').split('\n');
  } catch (cause) {
    throw new RundleError('E_LAUNCHER', `reading the licence ${file}: ${reasonOf(cause)}`, {
      cause,
      hint: 'install rundle again',
    });
  }
}
