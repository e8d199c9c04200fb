import type { Engine } from '../engine/engine.js';
import { isRundleError, RundleError } from '../errors.js';
import { spoolArchive } from './archive-stream.js';
import type { LoadedSource } from './source.js';
import { loadStreamedImage } from './streamed-image.js';
import { type SourceContext, type SourceSpecification, specificationText } from './transport.js';

/** What may stand in an image's name, and be sent in a path as it is: no `..`, no query, nothing to be escaped. */
const NAME =
  /^[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*(?::[0-9]{1,5})?(?:\/[A-Za-z0-9]+(?:[._-]+[A-Za-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,128})?$/;

/** `NAME[:TAG]`, `NAME@DIGEST` or an ID: the tag becomes the reference. */
export function parseEngineImage(rest: string): Omit<SourceSpecification, 'transport'> | undefined {
  if (rest.length > 512 || !NAME.test(rest)) return undefined;
  const colon = rest.lastIndexOf(':');
  if (rest.includes('@') || colon < rest.lastIndexOf('/') || colon < 0) return { location: rest };
  return { location: rest.slice(0, colon), reference: rest.slice(colon + 1) };
}

/** The image that an engine saves: the same archive as that of its command. Errors as `loadSource`. */
export async function loadEngineImage(
  engine: Engine,
  specification: SourceSpecification,
  context: SourceContext,
): Promise<LoadedSource> {
  const source = specificationText(specification);
  const name = source.slice(specification.transport.length + 1);
  const { platform } = context;
  const where = `reading ${source}`;
  const spool = async () => {
    // Its HTTP client takes long to load, which other sources need not wait for.
    const { withSavedImage } = await import('../engine/saved-image.js');
    return withSavedImage({ engine, name, platform, where, environment: process.env }, (answer) =>
      spoolArchive(answer.read, source, context, answer.length),
    );
  };
  const stream = await (context.shared?.once(source, spool) ?? spool());
  const { provenance, ...image } = await loadStreamedImage(stream, source, context).catch(
    (error: unknown) => {
      // The first of several platforms was there, the next is not.
      if (!isRundleError(error, 'E_PLATFORM')) throw error;
      const hint = `an engine keeps one image of a name; a registry has all platforms: docker://${name}`;
      throw new RundleError(error.code, error.message, { cause: error, hint });
    },
  );
  const { transport } = specification;
  return { ...image, provenance: { ...provenance, transport, reference: name } };
}
