import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Architecture } from '#rundle/bundle/architecture.js';
import {
  headerLength,
  INSTALLED_LAUNCHER,
  launcherDigest,
  loadHeaderTemplate,
  renderHeader,
} from '#rundle/bundle/header.js';

/** Every shell that the header promises to work in; `yash` only with names that its locale can show. */
export const SHELLS = [
  ['dash'],
  ['bash'],
  ['bash', '--posix'],
  ['busybox', 'ash'],
  ['mksh'],
  ['yash'],
] as const;

/** What reached the launcher. */
export interface Report {
  arg: string[];
  env: string[];
  cwd: string;
  umask: string;
  mode: string;
  pid: number;
  fd: number[];
  signals: string[];
  stdin: string;
}

export interface Ended {
  status: number | null;
  stderr: string;
  /** Undefined when the launcher was not started. */
  report: Report | undefined;
}

export interface Options {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  stdio?: Parameters<typeof spawnSync>[2] extends infer T ? T : never;
}

/** A directory for bundles with a stand-in for the launcher. */
export class Place {
  readonly directory = mkdtempSync(join(tmpdir(), 'rundle header-'));
  readonly scratch = join(this.directory, 'scratch');
  readonly witness = join(this.directory, 'witness');
  readonly #report = join(this.directory, 'report');

  constructor() {
    chmodSync(this.directory, 0o777);
    mkdirSync(this.scratch);
    chmodSync(this.scratch, 0o1777);
    const source = join(import.meta.dirname, 'witness.c');
    const define = `-DREPORT=${JSON.stringify(this.#report)}`;
    execFileSync('musl-gcc', ['-static', '-O1', '-s', define, '-o', this.witness, source]);
  }

  /** A file with a header and the stand-in; `total` is what the header says of the file's size. */
  async bundle(
    path: string,
    options: { installed?: string; architecture?: Architecture; tail?: number } = {},
  ): Promise<string> {
    const { installed = INSTALLED_LAUNCHER, architecture = 'x86_64', tail = 5000 } = options;
    const template = await loadHeaderTemplate();
    const launcher = readFileSync(this.witness);
    const length = headerLength(template, [architecture], installed);
    const end = Math.ceil((length + launcher.length) / 4096) * 4096;
    const place = { offset: length, size: launcher.length, digest: launcherDigest(launcher) };
    const launchers = new Map([[architecture, place]]);
    const content = { fileSize: end + tail, launchers, installed };
    const bytes = Buffer.alloc(end + tail);
    renderHeader(template, content, length).copy(bytes);
    launcher.copy(bytes, length);
    writeFileSync(path, bytes, { mode: 0o755 });
    return path;
  }

  /** Runs `command` and reads what the launcher tells. */
  run(command: readonly string[], options: Options = {}): Ended {
    rmSync(this.#report, { force: true });
    const [program = '', ...args] = command;
    const ended: SpawnSyncReturns<Buffer> = spawnSync(program, args, {
      cwd: options.cwd ?? this.directory,
      env: options.env ?? { PATH: '/usr/bin:/bin', TMPDIR: this.scratch },
      input: options.input ?? '',
      timeout: 60_000,
      ...(options.stdio as object | undefined),
    });
    return {
      status: ended.status,
      stderr: ended.stderr?.toString('latin1') ?? '',
      report: this.#read(),
    };
  }

  /** Names that are left in the scratch directory. */
  leftovers(): string[] {
    return readdirSync(this.scratch);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #read(): Report | undefined {
    let text: string;
    try {
      text = readFileSync(this.#report, 'latin1');
    } catch {
      return undefined;
    }
    const values = (key: string) =>
      text
        .split('\n')
        .filter((line) => line.startsWith(`${key} `))
        .map((line) => line.slice(key.length + 1));
    const decoded = (key: string) =>
      values(key).map((value) => Buffer.from(value, 'hex').toString('latin1'));
    return {
      arg: decoded('arg'),
      env: decoded('env'),
      cwd: decoded('cwd')[0] ?? '',
      umask: values('umask')[0] ?? '',
      mode: values('mode')[0] ?? '',
      pid: Number(values('pid')[0]),
      fd: values('fd').map(Number),
      signals: values('signals'),
      stdin: decoded('stdin')[0] ?? '',
    };
  }
}

/** A directory that holds `names` as links to programs of one coreutils, for PATH. */
export function makeToolFolder(directory: string, target: (name: string) => string): string {
  mkdirSync(directory);
  for (const name of ['uname', 'dd', 'chmod', 'rm', 'wc', 'printf']) {
    symlinkSync(target(name), join(directory, name));
  }
  return directory;
}
