import { gunzipSync } from 'node:zlib';
import { RundleError } from '../errors.js';
import type { Answer } from './exchange.js';

/**
 * A small body as a whole; one that came compressed although nobody asked for it is uncompressed when it is not JSON as it stands. Throws
 * E_FORMAT, before reading it all, when it is larger than `limit` bytes; `where` begins the message. A connection that breaks is a
 * PassingFault.
 */
export async function readAnswer(answer: Answer, limit: number, where: string): Promise<Buffer> {
  const tooLarge = () =>
    new RundleError('E_FORMAT', `${where}: it is larger than the ${limit} bytes allowed`);
  if (Number(answer.header('content-length') ?? 0) > limit) {
    await answer.discard();
    throw tooLarge();
  }
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    size += chunk.length;
    if (size > limit) throw tooLarge();
    parts.push(chunk);
  }
  const bytes = Buffer.concat(parts);
  if (!isGzip(answer) || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: limit });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new RundleError('E_FORMAT', `${where}: it cannot be uncompressed`, { cause });
  }
}

/** True when the server says that it compressed the body on the way. */
export function isGzip(answer: Answer): boolean {
  return /^(?:x-)?gzip$/i.test((answer.header('content-encoding') ?? '').trim());
}

/**
 * The codes of a registry's error body (distribution spec, "Error Codes"), such as `MANIFEST_UNKNOWN`. The texts beside them are left
 * alone: a server may repeat there what it was sent. Reads little, and never throws.
 */
export async function errorCodes(answer: Answer): Promise<string[]> {
  try {
    const document: unknown = JSON.parse(
      (await readAnswer(answer, 64 * 1024, '')).toString('utf8'),
    );
    const { errors } = document as { errors?: { code?: unknown }[] };
    return (errors ?? [])
      .slice(0, 4)
      .map(({ code }) => code)
      .filter(
        (code) => typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code),
      ) as string[];
  } catch {
    return [];
  }
}
