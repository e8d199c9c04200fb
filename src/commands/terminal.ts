import { barProgress } from '../progress/bar.js';
import { lineProgress } from '../progress/lines.js';
import type { Progress } from '../progress/progress.js';
import { silentProgress } from '../progress/silent.js';

/** How a command speaks: results on standard output, everything else on standard error. */
export interface Terminal {
  /** A result; `text` ends with a newline. */
  print(text: string): void;
  /** A remark that is not the result, on standard error. */
  remark(text: string): void;
  progress: Progress;
}

/** The process's own streams; `silent` leaves results alone and drops the rest. */
export function openTerminal(silent: boolean): Terminal {
  const { stdout, stderr } = process;
  const print = (text: string) => void stdout.write(text);
  if (silent) return { print, remark: () => undefined, progress: silentProgress };
  const usesBar = stderr.isTTY && process.env.TERM !== 'dumb';
  const progress = usesBar ? barProgress(stderr) : lineProgress((text) => void stderr.write(text));
  // An interrupted process exits without coming back here, and must leave the cursor as it was.
  process.once('exit', () => progress.close());
  return { print, remark: (text) => progress.note(`rundle: ${text}`), progress };
}
