import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A running docker-registry(1), Debian's package of the distribution project. */
export interface RealRegistry {
  /** `127.0.0.1:PORT`. */
  host: string;
  stop(): Promise<void>;
}

export interface RealOptions {
  /** Asks for `ACCOUNT` by basic authentication. */
  htpasswd?: boolean;
  /** Certificate and key, paths. */
  tls?: { certificate: string; key: string };
}

/** Who may enter a registry with `htpasswd`. */
export const ACCOUNT = { username: 'rider', password: 'correct horse' };
/** The same for the server: bcrypt, as crypt(3) makes it. */
const HTPASSWD = 'rider:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n';

/** Starts a registry that keeps its data below `directory`. */
export async function startRealRegistry(
  directory: string,
  { htpasswd, tls }: RealOptions = {},
): Promise<RealRegistry> {
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}`, ...(tls && { tls }) },
    ...(htpasswd && { auth: { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } } }),
  };
  writeFileSync(join(directory, 'htpasswd'), HTPASSWD);
  // JSON is YAML.
  writeFileSync(join(directory, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString('utf8');
  });
  await untilItListens(port, child, () => log);
  return { host: `127.0.0.1:${port}`, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

async function untilItListens(port: number, child: ChildProcess, log: () => string): Promise<void> {
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  const table = () => readFileSync('/proc/net/tcp', 'latin1');
  const entry = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`;
  while (!table().includes(entry)) {
    if (failure !== undefined) throw failure;
    if (child.exitCode !== null) throw new Error(`docker-registry ended: ${log()}`);
    await sleep(20);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Copies an image with skopeo(1) as it is, certificates unchecked. */
export function skopeoCopy(from: string, to: string, ...options: string[]): void {
  // Left to itself skopeo compresses layers on the way.
  const asItIs = options.some((option) => option.startsWith('--format='))
    ? []
    : ['--preserve-digests'];
  const unchecked = ['--dest-tls-verify=false', '--src-tls-verify=false'];
  execFileSync('skopeo', ['copy', '-q', ...unchecked, ...asItIs, ...options, from, to], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
