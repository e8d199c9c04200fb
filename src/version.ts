import { readFileSync } from 'node:fs';

/** rundle's version, from the package that this file belongs to. */
export const VERSION: string = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
).version;
