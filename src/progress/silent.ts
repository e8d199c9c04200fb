import type { Progress } from './progress.js';

/** Shows nothing: for `--quiet` and `--json`. */
export const silentProgress: Progress = {
  update: () => undefined,
  note: () => undefined,
  close: () => undefined,
};
