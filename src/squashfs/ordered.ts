/**
 * Runs `work` on `items` with at most `window` of them begun and not yet taken, and gives the results in the order
 * of the items. The first failure ends it; results that were under way are dropped.
 */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  window: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<[Item, Result]> {
  const begun: { item: Item; result: Promise<Result> }[] = [];
  for (const item of items) {
    const result = work(item);
    // Its failure is seen when its turn comes; until then it must not count as unhandled.
    result.catch(() => undefined);
    begun.push({ item, result });
    if (begun.length < window) continue;
    const first = begun.shift() as (typeof begun)[number];
    yield [first.item, await first.result];
  }
  for (const { item, result } of begun) yield [item, await result];
}
