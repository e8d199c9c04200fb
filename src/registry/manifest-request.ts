import { RundleError } from '../errors.js';
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.js';
import { MAX_DOCUMENT_SIZE, parseDocument, parseJson } from '../oci/document.js';
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  documentKind,
  isSchema1,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../oci/media-type.js';
import { readAnswer } from './answer-body.js';
import type { EndpointSession } from './endpoint-session.js';
import type { FollowedAnswer } from './redirects.js';
import { findRepository, listTags } from './tags.js';

const ACCEPT = [OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST_LIST, DOCKER_MANIFEST].join(', ');

/** Types that servers give what they do not look at. */
const UNSPECIFIC =
  /^(?:|text\/plain|application\/json|application\/octet-stream|binary\/octet-stream)$/;

/** A manifest or index as it came, its digest verified. */
export interface FetchedDocument {
  digest: Digest;
  mediaType: string;
  bytes: Buffer;
}

/**
 * Gets a manifest or index by tag or digest. `where` begins messages. Throws E_SOURCE when the repository or the tag is not there, saying
 * which; E_DIGEST, E_FORMAT, E_UNSUPPORTED for schema 1 and for what is no image; and as `EndpointSession.get`.
 */
export async function fetchDocument(
  session: EndpointSession,
  wanted: { tag: string } | { digest: Digest },
  where: string,
): Promise<FetchedDocument> {
  const name = 'tag' in wanted ? wanted.tag : wanted.digest;
  const read = (answer: FollowedAnswer) => readDocument(session, answer, wanted, where);
  const document = await session.get(`manifests/${name}`, { accept: ACCEPT }, read);
  if (document === undefined) throw await notThere(session, wanted, where);
  return document;
}

/** The document in an answer; undefined when it is not there. */
async function readDocument(
  session: EndpointSession,
  answer: FollowedAnswer,
  wanted: { tag: string } | { digest: Digest },
  where: string,
): Promise<FetchedDocument | undefined> {
  const { host } = session.endpoint;
  if (answer.status !== 200) {
    await answer.discard();
    if (answer.status === 404) return undefined;
    throw new RundleError('E_NETWORK', `${where}: ${host} answers with status ${answer.status}`);
  }
  const what = `${where}: the manifest from ${host}`;
  const mediaType = mediaTypeOf(answer, what);
  const bytes = await readAnswer(answer, MAX_DOCUMENT_SIZE, what);
  const announced = 'digest' in wanted ? wanted.digest : announcedDigest(answer);
  const digest = digestOf(bytes, announced === undefined ? 'sha256' : algorithmOf(announced));
  if (announced !== undefined && announced !== digest) {
    throw new RundleError(
      'E_DIGEST',
      `${what} has the digest ${digest}, announced was ${announced}`,
      {
        hint: 'something on the way changes what the registry sends: a proxy, or a damaged mirror',
      },
    );
  }
  // A page of an access portal that answers everything is told from an image before anything is kept.
  refuseSchema1(bytes, mediaType, what);
  parseDocument(bytes, mediaType, what);
  return { digest, mediaType, bytes };
}

function mediaTypeOf(answer: FollowedAnswer, what: string): string {
  const field = (answer.header('content-type') ?? '').slice(0, 200);
  const bare = (field.split(';')[0] ?? '').trim().toLowerCase();
  if (isSchema1(bare) || documentKind(bare) !== undefined) return bare;
  if (UNSPECIFIC.test(bare)) return '';
  void answer.discard();
  throw new RundleError('E_UNSUPPORTED', `${what} is of the unknown type ${bare}`, {
    hint: 'it is not a container image, or what answers is not a registry',
  });
}

function announcedDigest(answer: FollowedAnswer): Digest | undefined {
  const field = answer.header('docker-content-digest')?.trim();
  return field !== undefined && isDigest(field) ? field : undefined;
}

function refuseSchema1(bytes: Buffer, mediaType: string, what: string): void {
  const isOld = (document: unknown) =>
    (document as { schemaVersion?: unknown })?.schemaVersion === 1;
  if (!isSchema1(mediaType) && !isOld(parseJson(bytes, what))) return;
  throw new RundleError('E_UNSUPPORTED', `${what} is of Docker's schema 1, which is too old`, {
    hint: 'convert the image: skopeo copy --format oci ...',
  });
}

/** What to say to a 404: registries mean a missing repository by it or a missing tag. */
async function notThere(
  session: EndpointSession,
  wanted: { tag: string } | { digest: Digest },
  where: string,
): Promise<RundleError> {
  const { host, repository } = session.endpoint;
  const name = 'tag' in wanted ? `tag ${wanted.tag}` : wanted.digest;
  const found = await findRepository(session);
  if (found === 'there') {
    const tags = 'tag' in wanted ? await listTags(session, wanted.tag) : [];
    return new RundleError('E_SOURCE', `${where}: ${host} has no ${name} in ${repository}`, {
      ...(tags.length > 0 && { hint: `it has for example ${tags.join(', ')}` }),
      details: { tags },
    });
  }
  const what =
    found === 'missing'
      ? `no repository ${repository}`
      : `no ${name} in ${repository}, or no such repository`;
  return new RundleError('E_SOURCE', `${where}: ${host} has ${what}`, {
    hint: 'look at the name; Docker Hub is meant when no host stands before it',
  });
}
