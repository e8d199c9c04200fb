import { type SpawnOptions, spawn } from 'node:child_process';

/** Who starts a bundle. Tests run as root, and become an ordinary user without any group for the other half. */
export interface Profile {
  name: 'root' | 'user';
  uid: number;
  /** Words that go before a command line. */
  prefix: readonly string[];
}

export const root: Profile = { name: 'root', uid: 0, prefix: [] };
export const user: Profile = {
  name: 'user',
  uid: 12345,
  prefix: ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'],
};
export const profiles = [root, user] as const;

/** Shells that have to run the header, as the words before the bundle's name. */
export const shells = [
  ['dash'],
  ['bash'],
  ['busybox', 'sh'],
  ['mksh'],
] as const satisfies readonly (readonly string[])[];

export interface Outcome {
  /** Exit status, or null when a signal ended the process. */
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  pid: number;
}

export interface RunOptions extends SpawnOptions {
  input?: string | Buffer;
  /** Called with the process once it is started. */
  onStart?: (pid: number) => void;
  /** Milliseconds after which the test gives up on the process. */
  limit?: number;
}

/** Run `argv` as `profile` and collect what it prints (as latin1, so that no byte is lost). */
export function runAs(
  profile: Profile,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const [command = '', ...rest] = [...profile.prefix, ...argv];
  const { input, onStart, limit = 60_000, ...spawnOptions } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, rest, { stdio: 'pipe', ...spawnOptions });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${argv.join(' ')}: still running after ${limit} ms`));
    }, limit);
    child.on('error', reject);
    child.on('close', (status, signal) => {
      clearTimeout(timer);
      resolve({
        status,
        signal,
        stdout: Buffer.concat(out).toString('latin1'),
        stderr: Buffer.concat(err).toString('latin1'),
        pid: child.pid ?? -1,
      });
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input ?? '');
    if (child.pid !== undefined) onStart?.(child.pid);
  });
}

/** What `witness` prints. */
export interface Witness {
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  uid: number;
  gid: number;
  umask: number;
  waitErrno: number;
  nofile: number;
  terminal: number;
  rows: number;
  columns: number;
  cpus: number;
  noNewPrivs: number;
  groupCount: number;
  foreground: number;
  cwd: string;
  descriptors: number[];
  ignored: number[];
  blocked: number[];
  argv: string[];
  env: string[];
}

/** The JSON that `witness` printed; fails with its standard error when it printed none. */
export function witnessed(outcome: Outcome): Witness {
  if (!outcome.stdout.startsWith('{')) {
    throw new Error(`no witness: status ${outcome.status} ${outcome.signal}: ${outcome.stderr}`);
  }
  return JSON.parse(outcome.stdout) as Witness;
}

/** The value of an environment variable the program saw, or undefined. */
export function variable(witness: Witness, name: string): string | undefined {
  return witness.env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
}
