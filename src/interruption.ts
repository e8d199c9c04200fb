type Ending = () => Promise<void>;

const endings = new Set<Ending>();

/**
 * Runs `action`; when the process is interrupted meanwhile, `ending` is run before it exits. For work that must be
 * stopped and undone, and that takes longer than a handler of 'exit' may.
 */
export async function withEnding<T>(ending: Ending, action: () => Promise<T>): Promise<T> {
  endings.add(ending);
  try {
    return await action();
  } finally {
    endings.delete(ending);
  }
}

/** Runs all endings; what they throw is dropped, because the process ends anyway. */
export async function endAll(): Promise<void> {
  await Promise.allSettled([...endings].map((ending) => ending()));
}
