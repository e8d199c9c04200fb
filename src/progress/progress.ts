/**
 * What a build tells about how far it is. The recipe reports to this interface alone; the renderings (bar,
 * lines, none) decide what is seen of it. All of them write to standard error.
 */
export interface Progress {
  /**
   * `phase` has done `done` of `total` bytes; `total` may grow, and is undefined while it is not known. The first report of another
   * phase ends the one before.
   */
  update(phase: Phase, done: number, total: number | undefined): void;
  /** A line for the user, shown above a bar; control characters must be escaped already. */
  note(line: string): void;
  /** Ends the display and removes what must not stay on the screen. May be called more than once. */
  close(): void;
}

/** The parts of the work that take time. */
export type Phase = 'download' | 'archive' | 'layers' | 'packing' | 'checking';

/** `bytes` for people, in powers of 1000: "89.8 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** Seconds for people: "0.4 s", "12 s", "3 min 5 s". */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
