import { RundleError } from '../errors.js';

/** What is wrong with a block: `what` follows "the NAME data is damaged: ". */
export function damagedData(name: string, what: string): RundleError {
  return new RundleError('E_FORMAT', `the ${name} data is damaged: ${what}`);
}
