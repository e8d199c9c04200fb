import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { RundleError, reasonOf } from '../errors.js';
import { renderTemplate } from '../template/render.js';
import { type ByteString, fromBytes, fromText, toBytes } from '../tree/byte-string.js';
import { ARCHITECTURES, type Architecture } from './architecture.js';

/** Launchers start at multiples of this, and the header ends at one: the header copies them in such blocks. */
export const BLOCK = 4096;

/** A launcher that root has installed here is preferred by the header. The number is the format major. */
export const INSTALLED_LAUNCHER = '/usr/local/libexec/rundle/launcher-1';

/** What a header says. */
export interface HeaderContent {
  /** Bytes of the whole file. */
  fileSize: number;
  /** Where the launcher for each architecture lies: a multiple of 4096, and bytes; and its launcherDigest. */
  launchers: ReadonlyMap<Architecture, LauncherPlace>;
  /** Path of an installed launcher; INSTALLED_LAUNCHER unless given. */
  installed?: string;
}

/** Of a launcher in the file. */
export interface LauncherPlace {
  offset: number;
  size: number;
  digest: string;
}

const TEMPLATE = new URL('../../templates/header.sh.mustache', import.meta.url);

/**
 * What a launcher is called in a user's cache: SHA-256, in 64 hex digits, of `bytes` and the padding to BLOCK that
 * the header copies with them.
 */
export function launcherDigest(bytes: Uint8Array): string {
  const padding = Buffer.alloc(Math.ceil(bytes.length / BLOCK) * BLOCK - bytes.length);
  return createHash('sha256').update(bytes).update(padding).digest('hex');
}

/** The header's template. Throws E_TEMPLATE when it cannot be read. */
export async function loadHeaderTemplate(): Promise<ByteString> {
  try {
    return fromBytes(await readFile(TEMPLATE));
  } catch (cause) {
    throw new RundleError('E_TEMPLATE', `reading the header's template: ${reasonOf(cause)}`, {
      cause,
      hint: 'install rundle again',
    });
  }
}

/**
 * Bytes that the header of a bundle with these launchers takes, whatever the size of the file and wherever the
 * launchers lie: it is fixed before they are known.
 */
export function headerLength(
  template: ByteString,
  architectures: readonly Architecture[],
  installed?: string,
): number {
  const far = {
    offset: Number.MAX_SAFE_INTEGER,
    size: Number.MAX_SAFE_INTEGER,
    digest: launcherDigest(Buffer.alloc(0)),
  };
  const content = {
    fileSize: Number.MAX_SAFE_INTEGER,
    launchers: new Map(architectures.map((architecture) => [architecture, far])),
    ...(installed === undefined ? {} : { installed }),
  };
  return Math.ceil(render(template, content).length / BLOCK) * BLOCK;
}

/** The header, padded with newlines to `length` bytes. Throws E_TEMPLATE when it is longer. */
export function renderHeader(template: ByteString, content: HeaderContent, length: number): Buffer {
  const text = render(template, content);
  if (text.length > length) {
    throw new RundleError(
      'E_TEMPLATE',
      `rendering the header: it takes ${text.length} bytes, ${length} were kept for it`,
    );
  }
  return toBytes(text.padEnd(length, '\n') as ByteString);
}

/**
 * The file size that a header states; undefined when `start`, the beginning of a file, is no header. Tells how
 * long a file without a footer was.
 */
export function statedSize(start: Uint8Array): number | undefined {
  const text = fromBytes(start);
  if (!text.startsWith('#!/bin/sh\n')) return undefined;
  const size = /^rundle_size='([1-9][0-9]{0,15})'$/m.exec(text)?.[1];
  return size === undefined ? undefined : Number(size);
}

function render(template: ByteString, content: HeaderContent): ByteString {
  const { fileSize, launchers, installed = INSTALLED_LAUNCHER } = content;
  const machines = ARCHITECTURES.filter((architecture) => launchers.has(architecture));
  const view: Record<string, ByteString> = {
    size: fromText(String(fileSize)),
    machines: fromText(machines.join(' or ')),
    installed: fromText(installed),
  };
  for (const architecture of ARCHITECTURES) {
    const place = launchers.get(architecture);
    view[`${architecture}_skip`] = blocks(place?.offset);
    view[`${architecture}_count`] = blocks(place?.size);
    view[`${architecture}_digest`] = fromText(place?.digest ?? '');
  }
  return renderTemplate(template, view);
}

function blocks(bytes: number | undefined): ByteString {
  return fromText(bytes === undefined ? '' : String(Math.ceil(bytes / BLOCK)));
}
