import { describe, expect, test } from 'vitest';
import { bundle, start } from './support/built-launcher.js';

const licenses = [
  {
    name: 'first',
    version: '1.2',
    license: 'MIT',
    source: { url: 'http://example.org/x', sha256: 'ab12' },
    text: ['Permission', '', '  is granted'],
  },
  { name: 'second', license: 'GPL-2.0-or-later', text: ['Version 2'] },
];
const bundleWith = (manifest: unknown) => bundle([], { manifest: JSON.stringify(manifest) });

describe('--info --licenses', () => {
  test('lists what is there, then the texts', () => {
    const path = bundleWith({ name: 'no licence', licenses, programs: [{ name: 'unseen' }] });
    expect(start(path, '--info', '--licenses')).toEqual({
      status: 0,
      signal: null,
      stderr: '',
      stdout: `Programs that are in this file beside those of the image, which have licences of their own:

first 1.2: MIT
  source: http://example.org/x
  SHA-256 of it: ab12

second: GPL-2.0-or-later

---- first ----

Permission

  is granted

---- second ----

Version 2
`,
    });
  });

  test('as JSON it is what the manifest says', () => {
    const path = bundleWith({ licenses: 1, deep: { licenses: [] } });
    expect(JSON.parse(start(path, '--info', '--licenses', '--json').stdout)).toEqual({
      licenses: 1,
    });
    for (const manifest of [{ licenses }, { before: [{}], licenses, after: 1 }]) {
      const { stdout } = start(bundleWith(manifest), '--licenses', '--json', '-i');
      expect(JSON.parse(stdout)).toEqual({ licenses });
    }
  });

  test('a manifest that says nothing of them is a fault', () => {
    for (const manifest of [
      '{}',
      '[]',
      '"licenses"',
      '{"x": {"licenses": []}}',
      '{"licenses"',
      '',
    ]) {
      for (const more of [[], ['--json']]) {
        expect(start(bundle([], { manifest }), '--info', '--licenses', ...more)).toMatchObject({
          status: 125,
          stdout: '',
          stderr: expect.stringContaining('says nothing of licences'),
        });
      }
    }
  });

  test('no text of a bundle steers the terminal, and none is too long', () => {
    const hostile = { name: '\x1b[2J', license: '\x07', text: ['\x1b]0;x', `${'y'.repeat(9000)}`] };
    const path = bundleWith({
      licenses: [hostile, 3, [['.name', '\x1b']], { text: { 0: '\x1b' } }],
    });
    const { status, stdout } = start(path, '--info', '--licenses');
    expect(status).toBe(0);
    expect(stdout).toContain('\\x1b[2J: \\x07');
    expect(stdout).toContain('y'.repeat(4095));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are looked for
    expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
  });

  test('is a part of --info', () => {
    const path = bundleWith({ licenses });
    for (const words of [['--licenses'], ['--licenses', '--json'], ['--check', '--licenses']]) {
      expect(start(path, ...words)).toMatchObject({
        status: 125,
        stdout: '',
        stderr: 'rundle: --licenses is a part of --info\n  use --info --licenses\n',
      });
    }
  });
});
