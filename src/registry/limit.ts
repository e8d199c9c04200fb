/** Runs at most `count` actions at a time; the others wait for their turn in the order in which they came. */
export function limitTo(count: number): <T>(action: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (action) => {
    if (running >= count) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await action();
    } finally {
      const next = waiting.shift();
      // Who waits takes over the place, so that nobody gets in between.
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
