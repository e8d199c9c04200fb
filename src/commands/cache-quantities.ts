import { RundleError } from '../errors.js';

const SECOND = 1000;
const UNITS: Readonly<Record<string, number>> = {
  s: SECOND,
  m: 60 * SECOND,
  h: 3600 * SECOND,
  d: 24 * 3600 * SECOND,
  w: 7 * 24 * 3600 * SECOND,
};
const SIZES: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** The milliseconds that "30d" means. Throws E_USAGE. */
export function parseAge(text: string): number {
  const [, number, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (UNITS[unit] ?? 0);
  throw new RundleError('E_USAGE', `--older-than "${text}" is not an age`, {
    hint: 'write a number with s, m, h, d or w behind it, for example 30d',
  });
}

/** The bytes that "10G" means, in powers of 1024. Throws E_USAGE. */
export function parseCacheSize(text: string): number {
  const [, number, unit = ''] =
    /^(\d{1,12}|\d{1,6}\.\d{1,3})([KMGTkmgt]?)(?:i?B)?$/.exec(text) ?? [];
  if (number !== undefined) return Math.floor(Number(number) * (SIZES[unit.toLowerCase()] ?? 1));
  throw new RundleError('E_USAGE', `--max-size "${text}" is not a size`, {
    hint: 'write for example 500M or 10G',
  });
}

/** How long ago, for people: "5 min ago", "3 days ago". `milliseconds` may be below zero when clocks differ. */
export function formatAge(milliseconds: number): string {
  const steps: [number, string][] = [
    [UNITS.d as number, 'day'],
    [UNITS.h as number, 'hour'],
    [UNITS.m as number, 'minute'],
  ];
  for (const [unit, name] of steps) {
    const count = Math.floor(milliseconds / unit);
    if (count >= 1) return `${count} ${name}${count === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}
