import type { Phase, Progress } from './progress/progress.js';
import type { SourceStep } from './source/transport.js';

/** What is shown of a step. */
const PHASES: Readonly<Record<SourceStep['phase'], Phase>> = {
  download: 'download',
  verify: 'archive',
  layer: 'layers',
};

/**
 * Layers are fetched and read several at a time: what is shown is their sum, and of layers that are read while others are still fetched,
 * which takes longer, nothing.
 */
export function sumOfSteps(progress: Progress): (step: SourceStep) => void {
  const steps = new Map<string, SourceStep>();
  return (step) => {
    steps.set(`${step.phase} ${step.name}`, step);
    const downloads = [...steps.values()].filter(({ phase }) => phase === 'download');
    const isDownloading = downloads.some(({ done, total }) => done < (total ?? 0));
    if (isDownloading && step.phase !== 'download') return;
    const alike = [...steps.values()].filter(({ phase }) => phase === step.phase);
    const done = alike.reduce((sum, one) => sum + one.done, 0);
    const total = alike.reduce<number | undefined>(
      (sum, one) => (sum === undefined || one.total === undefined ? undefined : sum + one.total),
      0,
    );
    progress.update(PHASES[step.phase], done, total);
  };
}
