import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const stub = new URL('../../stub', import.meta.url).pathname;

/** Build files below stub/ with make, one test file at a time. */
export function make(...targets: string[]): void {
  const argv = ['-s', '-C', stub, ...targets];
  execFileSync('mkdir', ['-p', join(stub, 'build')]);
  execFileSync('flock', [join(stub, 'build/.test-lock'), 'make', ...argv], { stdio: 'pipe' });
}

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
}

export function run(argv: readonly string[], options: { cwd?: string } = {}): Outcome {
  const [program = '', ...rest] = argv;
  const { status, stdout, stderr, error } = spawnSync(program, rest, {
    ...options,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** Run what must succeed. */
export function must(argv: readonly string[], options: { cwd?: string } = {}): string {
  const { status, stdout, stderr } = run(argv, options);
  if (status !== 0) throw new Error(`${argv.join(' ')}: status ${status}: ${stderr}`);
  return stdout;
}

/** Words that make a command line an ordinary user's. */
export const asUser = [
  'setpriv',
  '--reuid',
  '12345',
  '--regid',
  '12345',
  '--clear-groups',
] as const;

/** A directory that everybody may enter, below which a test makes what it needs; rm copes with trees of any depth. */
export function makeScratch(): { path: string; remove(): unknown } {
  const path = mkdtempSync(join(tmpdir(), 'rundle-stub-'));
  chmodSync(path, 0o755);
  return { path, remove: () => must(['rm', '-rf', path]) };
}

export interface Entry {
  kind: string;
  mode: string;
  owner: string;
  mtime: string;
  size?: string;
  device?: string;
  target?: string;
  content?: string;
  /** The first name of the same inode, when there are several. */
  link?: string;
  xattrs?: string;
}

/** Every entry of a tree, "" for its root, by name in latin1 so that all bytes are kept. */
export function describeTree(root: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const firstNames = new Map<string, string>();
  const xattrs = readXattrs(root);
  const visit = (name: string): void => {
    const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')]);
    const status = lstatSync(path, { bigint: true });
    const kind = (status.mode & 0o170000n).toString(8);
    const entry: Entry = {
      kind,
      mode: (status.mode & 0o7777n).toString(8),
      owner: `${status.uid}:${status.gid}`,
      mtime: String(status.mtimeNs),
    };
    if (status.isFile()) {
      entry.size = String(status.size);
      entry.content = createHash('sha256').update(readFileSync(path)).digest('hex');
    }
    if (status.isSymbolicLink()) entry.target = readlinkSync(path, 'latin1');
    if (status.isCharacterDevice() || status.isBlockDevice()) entry.device = String(status.rdev);
    if (!status.isDirectory() && status.nlink > 1n) {
      const first = firstNames.get(String(status.ino)) ?? name;
      firstNames.set(String(status.ino), first);
      entry.link = `${first} of ${status.nlink}`;
    }
    const attributes = xattrs.get(name);
    if (attributes !== undefined) entry.xattrs = attributes;
    entries.set(name, entry);
    if (!status.isDirectory()) return;
    const children = (readdirSync(path, { encoding: 'buffer' }) as Buffer[]).map((child) =>
      child.toString('latin1'),
    );
    for (const child of children.sort()) visit(name === '' ? child : `${name}/${child}`);
  };
  visit('');
  return entries;
}

function readXattrs(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const text = must(['getfattr', '-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: root,
  });
  for (const block of text.split('\n\n')) {
    const [first = '', ...lines] = block.split('\n');
    const name = first
      .replace(/^# file: /, '')
      .replace(/\\(\d{3})/g, (_, digits: string) =>
        String.fromCharCode(Number.parseInt(digits, 8)),
      );
    if (first !== '')
      found.set(name === '.' ? '' : name.replace(/^\.\//, ''), lines.sort().join(' '));
  }
  return found;
}
