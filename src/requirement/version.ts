import { CUDA_DRIVERS } from './cuda-drivers.js';

/** One to four numbers of at most six digits, divided by dots; zeros in front are kept, as NVIDIA writes them. */
export const VERSION = /^\d{1,6}(?:\.\d{1,6}){0,3}$/;

/** Below 0 when `a` is the lower one; numbers that are missing count as 0, as the launcher compares. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < 4; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The first NVIDIA driver that knows CUDA `version`; undefined when that is newer than what this rundle has heard of. */
export function driverForCuda(version: string): string | undefined {
  return CUDA_DRIVERS.find(([cuda]) => compareVersions(cuda, version) >= 0)?.[1];
}
