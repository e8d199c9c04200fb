import * as v from 'valibot';
import { object } from '../schema.js';
import { errorCodes, readAnswer } from './answer-body.js';
import type { EndpointSession } from './endpoint-session.js';

/** So many tags a page, and so many pages: enough to find names that look alike. */
const PAGE = 1000;
const MAX_PAGES = 10;
const MAX_ANSWER = 4 * 1024 * 1024;
/** How many names a message can hold. */
const SHOWN = 8;

const schema = object({
  tags: v.nullish(v.array(v.pipe(v.string(), v.maxLength(256)))),
});

/** Whether the registry knows the repository, as far as it says so. Never throws. */
export async function findRepository(
  session: EndpointSession,
): Promise<'there' | 'missing' | 'unknown'> {
  try {
    const answer = await session.attempt('tags/list?n=1', {});
    if (answer.status === 404) {
      return (await errorCodes(answer)).includes('NAME_UNKNOWN') ? 'missing' : 'unknown';
    }
    await answer.discard();
    return answer.status === 200 ? 'there' : 'unknown';
  } catch {
    return 'unknown';
  }
}

/** Some of the repository's tags, those that begin most like `wanted` first; empty when it does not list them. Never throws. */
export async function listTags(session: EndpointSession, wanted: string): Promise<string[]> {
  const tags = new Set<string>();
  try {
    let query: string | undefined = `n=${PAGE}`;
    for (let page = 0; page < MAX_PAGES && query !== undefined; page += 1) {
      const answer = await session.attempt(`tags/list?${query}`, {});
      if (answer.status !== 200) {
        await answer.discard();
        break;
      }
      const bytes = await readAnswer(answer, MAX_ANSWER, '');
      for (const tag of v.parse(schema, JSON.parse(bytes.toString('utf8'))).tags ?? []) {
        if (/^\w[\w.-]{0,127}$/.test(tag)) tags.add(tag);
      }
      query = nextQuery(answer.header('link'));
    }
  } catch {
    // What was found so far is good enough for a hint.
  }
  const rank = (tag: string) => -commonLength(tag, wanted);
  return [...tags].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1)).slice(0, SHOWN);
}

/** The query of `Link: <URL>; rel="next"` (distribution spec, "Listing Tags"): its path is the one that was asked. */
function nextQuery(field: string | undefined): string | undefined {
  const target = /<([^>]{1,4096})>\s*;\s*rel="?next"?/i.exec(field ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, 'http://localhost/')) return undefined;
  const query = new URL(target, 'http://localhost/').search.slice(1);
  return query === '' ? undefined : query;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}
