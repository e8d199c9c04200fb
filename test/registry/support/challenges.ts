import type { ServerResponse } from 'node:http';
import type { CredentialSource, Credentials } from '#rundle/registry/access.js';
import { fail } from './server.js';

/** The field of basic authentication. */
export const basicOf = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Answers that somebody unknown asks, and with what to convince; for hooks. */
export function challenge(response: ServerResponse, field: string): true {
  response.setHeader('www-authenticate', field);
  fail(response, 401, 'UNAUTHORIZED');
  return true;
}

/** Credentials for the registry alone, and how often they were asked for. */
export function credentialsFor(host: () => string, credentials: Credentials) {
  const asked: string[] = [];
  const source: CredentialSource = async (wanted, repository, username) => {
    asked.push([wanted, repository, username ?? ''].join(' '));
    return wanted === host() ? credentials : undefined;
  };
  return { asked, source };
}
