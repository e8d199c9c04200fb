import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A home directory of a test's own, with the environment that belongs to it. */
export interface Home {
  path(...names: string[]): string;
  environment: Record<string, string>;
  /** Writes a file; what is no text becomes JSON. */
  write(name: string, content: unknown): string;
  /** A credential helper as a shell script; it becomes part of PATH. */
  helper(name: string, script: string): void;
  remove(): void;
}

export function makeHome(): Home {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
  const path = (...names: string[]) => join(directory, ...names);
  const write = (name: string, content: unknown) => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), typeof content === 'string' ? content : JSON.stringify(content));
    return path(name);
  };
  return {
    path,
    environment: { HOME: directory, PATH: `${path('bin')}:${process.env.PATH}` },
    write,
    helper(name, script) {
      chmodSync(write(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`), 0o755);
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export const basic = (username: string, password: string) => ({
  auth: Buffer.from(`${username}:${password}`).toString('base64'),
});
