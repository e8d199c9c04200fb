import { formatBytes, type Phase, type Progress } from './progress.js';

/** How many lines a phase writes at most, the last one included. */
const LINES_A_PHASE = 4;

/** Nothing smaller than this gets lines in between, bytes. */
const WORTH_A_LINE = 64_000_000;

/** Plain lines for logs: each phase at its end, long ones a few times in between. */
export function lineProgress(write: (text: string) => void): Progress {
  let phase: Phase | undefined;
  let done = 0;
  let total: number | undefined;
  let shown = 0;

  const line = () => {
    const of = total === undefined || total === done ? '' : ` of ${formatBytes(total)}`;
    write(`rundle: ${phase}: ${formatBytes(done)}${of}\n`);
    shown += 1;
  };
  const end = () => {
    if (phase !== undefined) line();
    phase = undefined;
  };
  return {
    update(next, nextDone, nextTotal) {
      if (next !== phase) {
        end();
        phase = next;
        shown = 0;
      }
      done = nextDone;
      total = nextTotal;
      if (total === undefined || total < WORTH_A_LINE || done >= total) return;
      if (done >= (total * (shown + 1)) / LINES_A_PHASE) line();
    },
    note(text) {
      write(`${text}\n`);
    },
    close: end,
  };
}
