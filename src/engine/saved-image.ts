import * as v from 'valibot';
import { RundleError } from '../errors.js';
import { check, parseJson, plainText } from '../oci/document.js';
import { missingPlatform, type Platform, platformRank } from '../oci/platform.js';
import { object } from '../schema.js';
import {
  type Answer,
  ENGINE_TIMEOUTS,
  EngineConnection,
  type EngineTimeouts,
} from './connection.js';
import { type Endpoint, type EngineEnvironment, endpointText } from './endpoint.js';
import type { Engine } from './engine.js';
import { unreachable } from './fault.js';

/** Most characters of an engine's own words that a message repeats. */
const WORDS_LIMIT = 500;

/** Which image of which engine. */
export interface ImageRequest {
  engine: Engine;
  /** As the user wrote it: a name with or without tag or digest, or an ID. */
  name: string;
  /** Refuse an image for another platform; an engine keeps one image of a name. */
  platform?: Platform | undefined;
  /** Begins messages: "reading podman:NAME". */
  where: string;
  environment: EngineEnvironment;
  timeouts?: EngineTimeouts;
}

/** The parts of an engine's description of an image that are used; podman's own API and Docker's have these in common. */
const imageSchema = object({
  Os: v.optional(plainText),
  Architecture: v.optional(plainText),
  Variant: v.optional(plainText),
});

/**
 * Has the engine save an image, and gives `use` the answer that holds the archive; whatever comes of that, the connection is closed afterwards. Throws E_USAGE for a
 * name or an address that cannot be, E_SOURCE when no engine answers or it has no such image, E_PLATFORM, E_NETWORK, E_FORMAT, and what `use` throws.
 */
export async function withSavedImage<T>(
  wanted: ImageRequest,
  use: (archive: Answer) => Promise<T>,
): Promise<T> {
  const { engine, name, where } = wanted;
  const { connection, answer } = await findEngine(wanted);
  try {
    await expectImage(connection, answer, wanted);
    const found = parseJson(Buffer.from(await connection.text(answer)), `${where}: ${engine.name}`);
    checkPlatform(check(imageSchema, found, `${where}: ${engine.name}`), wanted);
    const archive = await connection.get(engine.save(name));
    await expectImage(connection, archive, wanted);
    return await use(archive);
  } finally {
    await connection.close();
  }
}

/** The first engine that can be connected to, with its answer about the image. */
async function findEngine(
  wanted: ImageRequest,
): Promise<{ connection: EngineConnection; answer: Answer }> {
  const { engine, name, where, environment, timeouts = ENGINE_TIMEOUTS } = wanted;
  const tried: { endpoint: Endpoint; code: string; reason: string }[] = [];
  for (const endpoint of engine.endpoints(environment)) {
    const connection = new EngineConnection(endpoint, timeouts, where);
    try {
      return { connection, answer: await connection.get(engine.inspect(name)) };
    } catch (error) {
      await connection.close();
      const refusal = unreachable(error);
      if (refusal === undefined) throw error;
      tried.push({ endpoint, ...refusal });
    }
  }
  const list = tried.map(({ endpoint, reason }) => `${endpointText(endpoint)} (${reason})`);
  const denied = tried.some(({ code }) => code === 'EACCES' || code === 'EPERM');
  throw new RundleError(
    'E_SOURCE',
    `${where}: no ${engine.name} can be asked; tried ${list.join(', ')}`,
    { hint: denied ? engine.permission : engine.start },
  );
}

async function expectImage(
  connection: EngineConnection,
  answer: Answer,
  { engine, name, where }: ImageRequest,
): Promise<void> {
  if (answer.status === 200) return;
  if (answer.status === 404) {
    throw new RundleError('E_SOURCE', `${where}: the ${engine.name} has no image of that name`, {
      hint: `${engine.command} pull ${name}`,
    });
  }
  const words = wordsOf(await connection.text(answer));
  throw new RundleError(
    'E_SOURCE',
    `${where}: the ${engine.name} answers with status ${answer.status}${words === '' ? '' : `: ${words}`}`,
  );
}

/** Engines say what is wrong as `{ "message": "..." }`. */
function wordsOf(text: string): string {
  try {
    const { message } = v.parse(object({ message: v.string() }), JSON.parse(text));
    return message.replace(/\s+/g, ' ').trim().slice(0, WORDS_LIMIT);
  } catch {
    return '';
  }
}

function checkPlatform(image: v.InferOutput<typeof imageSchema>, wanted: ImageRequest): void {
  const { engine, name, platform, where } = wanted;
  const { Os: os, Architecture: architecture, Variant: variant } = image;
  if (platform === undefined || !os || !architecture) return;
  const offered = { os, architecture, ...(variant && { variant }) };
  if (platformRank(offered, platform) !== undefined) return;
  const { code, message } = missingPlatform([offered], platform, where.replace(/^reading /, ''));
  const asked = [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/');
  throw new RundleError(code, message, {
    hint: `an engine keeps one image of a name: ${engine.command} pull --platform ${asked} ${name}`,
  });
}
