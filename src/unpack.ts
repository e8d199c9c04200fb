import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { rmdirSync } from 'node:fs';
import { chmod, copyFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { systemReason } from './blob/file-range.js';
import { type Architecture, architectureFromOci } from './bundle/architecture.js';
import { launcherPath, loadLauncher } from './bundle/launchers.js';
import { RundleError, reasonOf } from './errors.js';
import { withEnding } from './interruption.js';
import { hostPlatform } from './oci/platform.js';
import { removeContents } from './remove-tree.js';
import { type ByteString, fromBytes, fromText } from './tree/byte-string.js';

/** Something that could not be written, or not as it is in the tree. */
export interface LeftOut {
  /** Path from the tree's root. */
  path: ByteString;
  reason: ByteString;
}

/** More than this from a launcher's standard error is no message, bytes. */
const MESSAGE_LIMIT = 64 * 1024;

/**
 * Writes the tree of the bundle at `bundle` into `directory`, which must be missing or empty. The launcher of this machine does
 * it, because Node can make neither devices nor extended attributes. Of several trees it is the one for `architecture`, and unless that is given
 * the one for this machine. Returns what the caller's rights did not allow.
 *
 * Throws E_LAUNCHER when there is no launcher for this machine, E_OUTPUT with the launcher's own words when it fails; then
 * the directory is as it was.
 */
export async function unpackBundle(
  bundle: string,
  directory: string,
  temporary: string,
  architecture?: Architecture,
): Promise<LeftOut[]> {
  const launcher = await prepareLauncher(temporary);
  const before = await stateOf(directory);
  const args = ['unpack', '0', named(bundle), named(directory)];
  if (architecture !== undefined) args.push(architecture);
  const child = spawn(launcher, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = collect(child, launcher);
  const undo = async () => {
    child.kill('SIGKILL');
    await ended.catch(() => undefined);
    restore(directory, before);
  };
  const { status, output, message } = await withEnding(undo, () => ended);
  if (status !== 0) {
    restore(directory, before);
    throw launcherFailure(directory, status, message);
  }
  const lines = output.split('\n').filter((line) => line !== '');
  return lines.map(readLine);
}

/** The architecture whose launcher runs here. Throws E_LAUNCHER. */
export function hostArchitecture(): Architecture {
  const architecture = architectureFromOci(hostPlatform().architecture);
  if (architecture !== undefined && process.platform === 'linux') return architecture;
  throw new RundleError(
    'E_LAUNCHER',
    `unpacking on ${process.platform} ${process.arch}: no launcher runs here`,
    { hint: 'unpack on Linux on x86_64 or aarch64' },
  );
}

/** A copy of its own: an installed package may lie where nothing can be executed, or have lost its modes. */
async function prepareLauncher(temporary: string): Promise<string> {
  const architecture = hostArchitecture();
  await loadLauncher(architecture);
  const copy = join(temporary, 'launcher');
  await copyFile(launcherPath(architecture), copy);
  await chmod(copy, 0o700);
  return copy;
}

/** Whether the directory was there. Throws E_OUTPUT when something else is, or when it holds something. */
async function stateOf(directory: string): Promise<'missing' | 'empty'> {
  try {
    const names = await readdir(directory, { encoding: 'buffer' });
    if (names.length === 0) return 'empty';
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
    throw new RundleError('E_OUTPUT', `unpacking to ${directory}: ${systemReason(cause)}`, {
      cause,
    });
  }
  throw new RundleError('E_OUTPUT', `unpacking to ${directory}: it is not empty`, {
    hint: 'name a directory that is missing or empty',
  });
}

/** Takes back what a launcher has written that did not come to an end. */
function restore(directory: string, before: 'missing' | 'empty'): void {
  try {
    removeContents(fromText(directory));
    if (before === 'missing') rmdirSync(directory);
  } catch {
    // The failure itself is what has to be told.
  }
}

interface Ended {
  /** Exit status, or the name of the signal. */
  status: number | string;
  output: ByteString;
  message: string;
}

async function collect(
  child: ChildProcessByStdio<null, Readable, Readable>,
  launcher: string,
): Promise<Ended> {
  const output: Buffer[] = [];
  let message = '';
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    if (message.length < MESSAGE_LIMIT) message += chunk.toString('utf8');
  });
  try {
    const status = await new Promise<number | string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    });
    return { status, output: fromBytes(Buffer.concat(output)), message };
  } catch (cause) {
    throw new RundleError('E_LAUNCHER', `starting the launcher ${launcher}: ${reasonOf(cause)}`, {
      cause,
      hint: 'set TMPDIR to a directory that can execute programs',
    });
  }
}

/** `path<TAB>reason`, with `\xNN` for control characters and `\` (stub/README.md). */
function readLine(line: string): LeftOut {
  const tab = line.indexOf('\t');
  const [path, reason] = tab < 0 ? [line, ''] : [line.slice(0, tab), line.slice(tab + 1)];
  return { path: unescaped(path), reason: unescaped(reason) };
}

function unescaped(text: string): ByteString {
  return text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  ) as ByteString;
}

/** The launcher writes `rundle: message` and, on a line of its own, a hint. */
function launcherFailure(directory: string, status: number | string, message: string): RundleError {
  const lines = message.split('\n').filter((line) => line.trim() !== '');
  const said = lines.filter((line) => line.startsWith('rundle: ')).map((line) => line.slice(8));
  const hint = lines
    .filter((line) => !line.startsWith('rundle: '))
    .join(' ')
    .trim();
  const why = said.length > 0 ? said.join('; ') : `the launcher ended with ${status}`;
  return new RundleError('E_OUTPUT', `unpacking to ${directory}: ${why}`, {
    ...(hint !== '' && { hint }),
  });
}

/** A name that no program takes for an option. */
function named(path: string): string {
  return path.startsWith('/') ? path : `./${path}`;
}
