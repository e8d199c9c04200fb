import type { IncomingHttpHeaders } from 'node:http';
import { inspect } from 'node:util';
import { faultOf } from '../../source/support/scratch.js';

/** A request as a server saw it. */
export interface Seen {
  method: string;
  /** Path and query. */
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/**
 * Everything secret in a test, and who may see it. Servers show every request to it; what stands in `strays` at the end was
 * sent to somebody it does not belong to.
 */
export class Vault {
  readonly strays: string[] = [];
  readonly #owners = new Map<string, Set<string>>();

  /** Forgets all secrets, and who was sent one. */
  clear(): void {
    this.strays.length = 0;
    this.#owners.clear();
  }

  /** Declares `text` a secret of the servers called `owners`. */
  secret(text: string, ...owners: string[]): string {
    const known = this.#owners.get(text) ?? new Set();
    for (const owner of owners) known.add(owner);
    this.#owners.set(text, known);
    return text;
  }

  look(server: string, seen: Seen): void {
    const text = [seen.path, ...Object.entries(seen.headers).flat(), seen.body].join('\n');
    const decoded = (text.match(/[A-Za-z0-9+/]{8,}={0,2}/g) ?? [])
      .map((word) => Buffer.from(word, 'base64').toString('utf8'))
      .join('\n');
    const all = `${text}\n${decodeURIComponent(seen.body.replaceAll('+', ' '))}\n${decoded}`;
    for (const [secret, owners] of this.#owners) {
      if (all.includes(secret) && !owners.has(server)) {
        this.strays.push(`${server} was sent ${secret} with ${seen.method} ${seen.path}`);
      }
    }
  }

  /** The secrets that `text` holds: nothing that is printed may hold any. */
  leaks(text: string): string[] {
    return [...this.#owners.keys()].filter(
      (secret) =>
        text.includes(secret) || text.includes(Buffer.from(secret, 'utf8').toString('base64')),
    );
  }

  /** The error that `action` is rejected with, as `faultOf`; nothing in it, or behind it, may hold a secret. */
  async faultOf(action: Promise<unknown>): Promise<string> {
    const fault = await faultOf(action);
    const whole = await action.catch((error: unknown) => inspect(error, { depth: 12 }));
    const leaks = this.leaks(`${fault}\n${whole}`);
    if (leaks.length > 0) throw new Error(`the error holds ${leaks.join(', ')}: ${whole}`);
    return fault;
  }
}
