import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const stub = join(here, '../../../stub');

/** The launcher's modules that read no payload and make no a container. */
const modules = [
  'apparmor_profile',
  'bundle',
  'conf_file',
  'environment',
  'fault',
  'host_file',
  'host_setup',
  'interpreter',
  'json',
  'json_walk',
  'launch_config',
  'message',
  'options',
  'options_table',
  'program',
  'settings',
  'sha256',
  'string_list',
  'substitute',
  'text_file',
];

/** What front.c printed. */
export interface Answer {
  status: number | null;
  stderr: string;
  fault?: string;
  hint?: string;
  options?: Record<string, boolean | string | string[]>;
  operands?: string[];
  environment?: string[];
  arguments?: string[];
  [key: string]: unknown;
}

export interface Front {
  directory: string;
  /** Run a duty of front.c with exactly the environment given. Arguments may be bytes, written as latin1. */
  run(argv: readonly string[], environment?: Record<string, string>): Answer;
  /** Write a file into the directory and give its path. */
  file(name: string, content: string | Buffer): string;
  /** Write a launch config with these entries added to the least that one needs. */
  config(...entries: string[]): string;
  remove(): void;
}

/** Entries without which a launch config is refused. */
export const least = [
  'arch=x86_64',
  'payload=0',
  'root=/',
  `id=${'ab'.repeat(32)}`,
  'size=1000',
  'inodes=3',
  'name=app',
];

export const encodeConfig = (entries: readonly string[]): Buffer =>
  Buffer.from(entries.map((entry) => `${entry}\0`).join(''));

/** Compile front.c with the modules it drives, under AddressSanitizer and UBSan. */
export function compileFront(): Front {
  const directory = mkdtempSync(join(tmpdir(), 'rundle-front-'));
  chmodSync(directory, 0o755);
  const program = join(directory, 'front');
  const sources = modules.map((name) => join(stub, `${name}.c`));
  execFileSync('gcc', [
    ...['-std=gnu11', '-g', '-O1', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', `-I${stub}`],
    ...['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-o', program],
    ...[join(here, 'front.c'), ...sources],
  ]);
  const file = (name: string, content: string | Buffer) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };
  let configs = 0;
  return {
    directory,
    file,
    config: (...entries) => file(`config-${configs++}`, encodeConfig([...least, ...entries])),
    run(argv, environment = {}) {
      const ended = spawnSync(program, argv, {
        // Nothing is freed before the program starts: memory lives as long as the process.
        env: { ASAN_OPTIONS: 'detect_leaks=0', ...environment },
        encoding: 'utf8',
        cwd: directory,
        timeout: 20_000,
      });
      const printed = ended.stdout.startsWith('{') && ended.stdout.trimEnd().endsWith('}');
      if (ended.stderr.includes('Sanitizer') || ended.stderr.includes('runtime error')) {
        throw new Error(`${argv.join(' ')}:\n${ended.stderr}`);
      }
      const answer = printed ? (JSON.parse(ended.stdout) as object) : { stdout: ended.stdout };
      return { status: ended.status, stderr: ended.stderr, ...answer };
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
