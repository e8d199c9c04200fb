import { describe, expect, test } from 'vitest';
import { architecture, bundle, start } from './support/built-launcher.js';

describe('--info', () => {
  test('what the bundle says, as text', () => {
    const manifest = {
      description: 'two\nlines',
      provenance: { manifestDigest: 'sha256:12' },
      other: 'unseen',
    };
    const { status, stdout } = start(
      bundle(
        [
          'entrypoint=/bin/a b',
          'cmd=c',
          'env=A=${B}',
          'mount=/x:/y',
          'target=${HOME}/t',
          'mount-home=1',
        ],
        {
          manifest: JSON.stringify(manifest),
        },
      ),
      '--info',
    );
    expect(status).toBe(0);
    for (const words of [
      'two\\x0alines',
      'provenance.manifestDigest: sha256:12',
      '"/bin/a b"',
      'A=${B}',
      '/x:/y',
      '${HOME}/t',
      'home directory',
      'SLURM_*',
      'OMP_*',
    ]) {
      expect(stdout).toContain(words);
    }
    expect(stdout).not.toContain('unseen');
  });

  test('as one JSON object that holds the manifest, whatever bytes there are', () => {
    const manifest = { name: 'x', deep: [1, { a: null }] };
    const path = bundle(
      [Buffer.from('env=A=\xff\xfe"\\\x01é', 'latin1'), Buffer.from('cmd=é\u009b', 'utf8')],
      { manifest: JSON.stringify(manifest) },
    );
    const shown = JSON.parse(
      Buffer.from(start(path, '--info', '--json').stdout, 'latin1').toString(),
    );
    expect(shown).toMatchObject({
      name: 'app',
      architectures: [architecture],
      tiers: ['mount', 'extract'],
      env: ['A=\udcff\udcfe"\\\x01\udce9'],
      cmd: ['é\u009b'],
      extractedSize: 1000,
      inodes: 3,
      manifest,
    });
  });

  test('a manifest that is no JSON is left out', () => {
    for (const manifest of ['{"a":', '{} {}', '', '\xff']) {
      const path = bundle([], { manifest });
      expect(JSON.parse(start(path, '--info', '--json').stdout)).not.toHaveProperty('manifest');
      expect(start(path, '-i').status).toBe(0);
    }
  });

  test('control characters of a bundle do not reach the terminal', () => {
    const path = bundle(['name=a\x1b[2J\x07', 'cmd=\x1b]0;x\x07', 'env=A=\x9b'], {
      manifest: JSON.stringify({ description: '\x1b[31m' }),
    });
    for (const argv of [['--info'], ['--info', '--json']]) {
      const { stdout } = start(path, ...argv);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are looked for
      expect(stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]/);
    }
  });
});
