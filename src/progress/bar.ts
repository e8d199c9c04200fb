import { SingleBar } from 'cli-progress';
import { formatBytes, type Phase, type Progress } from './progress.js';

/**
 * One bar on a terminal, drawn at most ten times a second, replaced by the next phase's and gone at the end: what
 * stays on the screen is what the command says when it is done.
 */
export function barProgress(terminal: NodeJS.WritableStream & { columns?: number }): Progress {
  let bar: SingleBar | undefined;
  let current: Phase | undefined;

  const stop = () => {
    bar?.stop();
    bar = undefined;
    current = undefined;
  };
  const start = (phase: Phase, total: number) => {
    bar = new SingleBar({
      stream: terminal,
      format: `${phase.padEnd(8)} [{bar}] {percentage}%  {amount}`,
      barsize: Math.max(10, Math.min(40, (terminal.columns || 80) - 40)),
      fps: 10,
      hideCursor: true,
      clearOnComplete: true,
      // Signals are the command line's: it stops the build first, and the build closes this.
      gracefulExit: false,
      emptyOnZero: true,
    });
    bar.start(total, 0, { amount: '' });
    current = phase;
  };
  return {
    update(phase, done, total) {
      const end = total ?? done;
      if (phase !== current) {
        stop();
        start(phase, end);
      }
      bar?.setTotal(end);
      const of = total === undefined ? '' : ` / ${formatBytes(end)}`;
      bar?.update(Math.min(done, end), { amount: `${formatBytes(done)}${of}` });
    },
    note(line) {
      stop();
      terminal.write(`${line}\n`);
    },
    close: stop,
  };
}
