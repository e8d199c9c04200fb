import { expect, test } from 'vitest';
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  platformRank,
} from '#rundle/oci/platform.js';

test('platforms are written and read', () => {
  for (const text of ['linux/amd64', 'linux/arm/v7', 'windows/386']) {
    expect(formatPlatform(parsePlatform(text))).toBe(text);
  }
  expect(parsePlatform('Linux/x86_64').architecture).toBe('amd64');
  expect(parsePlatform('linux/aarch64').architecture).toBe('arm64');
  expect(hostPlatform()).toEqual({
    os: 'linux',
    architecture: { x64: 'amd64' }[process.arch as 'x64'] ?? process.arch,
  });
});

test.each(['', 'linux', 'linux/', '/amd64', 'linux/arm/v7/x', 'linux/a b'])(
  'refused: %j',
  (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'E_USAGE' }));
  },
);

const choose = (wanted: string, ...offered: string[]) =>
  formatPlatform(
    choosePlatform(
      offered.map((text) => ({ platform: parsePlatform(text) })),
      parsePlatform(wanted),
      'x',
    ).platform,
  );

test('the best variant is chosen', () => {
  expect(choose('linux/arm64', 'linux/arm/v7', 'linux/arm64/v8')).toBe('linux/arm64/v8');
  expect(choose('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm64')).toBe(
    'linux/arm/v6',
  );
  expect(choose('linux/amd64', 'linux/amd64/v3', 'linux/amd64')).toBe('linux/amd64');
  expect(choose('linux/amd64', 'linux/amd64/v4', 'linux/amd64/v2')).toBe('linux/amd64/v2');
  expect(choose('linux/amd64/v3', 'linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4')).toBe(
    'linux/amd64/v2',
  );
  expect(choose('linux/arm', 'linux/arm/v8', 'linux/arm/v6')).toBe('linux/arm/v6');
});

test('what does not run is never chosen', () => {
  const never = [
    ['linux/amd64', 'linux/arm64'],
    ['linux/amd64', 'windows/amd64'],
    ['linux/arm/v6', 'linux/arm/v7'],
  ];
  for (const [wanted = '', offered = ''] of never) {
    expect(platformRank(parsePlatform(offered), parsePlatform(wanted))).toBeUndefined();
  }
  expect(() => choose('linux/s390x', 'linux/arm64/v8', 'linux/amd64')).toThrow(
    'choosing an image for linux/s390x in x: it has linux/amd64, linux/arm64/v8',
  );
});
