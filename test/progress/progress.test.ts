import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { barProgress } from '#rundle/progress/bar.js';
import { lineProgress } from '#rundle/progress/lines.js';
import { formatBytes, formatSeconds } from '#rundle/progress/progress.js';
import { silentProgress } from '#rundle/progress/silent.js';

const MB = 1_000_000;

function lines(use: (progress: ReturnType<typeof lineProgress>) => void): string[] {
  let written = '';
  use(
    lineProgress((text) => {
      written += text;
    }),
  );
  return written.split('\n').slice(0, -1);
}

describe('lineProgress', () => {
  it('writes one line for a short phase, at its end', () => {
    const written = lines((progress) => {
      for (let done = 0; done <= 1000; done++) progress.update('layers', done * 1000, MB);
      progress.update('packing', 0, 0);
      progress.update('packing', 5, 5);
      progress.close();
      progress.close();
    });
    expect(written).toEqual(['rundle: layers: 1.0 MB', 'rundle: packing: 5 B']);
  });

  it('writes a few for a long one, however often it is told', () => {
    const written = lines((progress) => {
      for (let done = 0; done <= 10_000; done++) progress.update('packing', done * MB, 10_000 * MB);
      progress.close();
    });
    expect(written).toEqual([
      'rundle: packing: 2.5 GB of 10.0 GB',
      'rundle: packing: 5.0 GB of 10.0 GB',
      'rundle: packing: 7.5 GB of 10.0 GB',
      'rundle: packing: 10.0 GB',
    ]);
  });

  it('says how far it came when it was stopped', () => {
    const written = lines((progress) => {
      progress.update('layers', MB, 9 * MB);
      progress.note('a note');
      progress.close();
    });
    expect(written).toEqual(['a note', 'rundle: layers: 1.0 MB of 9.0 MB']);
  });
});

describe('barProgress', () => {
  const draw = (use: (progress: ReturnType<typeof barProgress>) => void) => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true, columns: 60 });
    use(barProgress(terminal));
    return String(terminal.read() ?? '');
  };

  it('draws phases one after the other and removes itself', () => {
    const drawn = draw((progress) => {
      progress.update('layers', 10, 20);
      progress.update('packing', 0, 100);
      progress.update('packing', 100, 100);
      progress.close();
      progress.close();
    });
    expect(drawn).toMatch(/layers {3}\[[=-]{20}\]/);
    expect(drawn).toMatch(/packing {2}\[={20}\] 100%/);
    expect(drawn.indexOf('packing')).toBeGreaterThan(drawn.lastIndexOf('layers'));
    expect(drawn.endsWith('\u001b[1G\u001b[2K')).toBe(true);
    expect(drawn.split('\u001b[?25l')).toHaveLength(drawn.split('\u001b[?25h').length);
  });

  it('copes with totals that are not known, grow, or were too small', () => {
    const drawn = draw((progress) => {
      progress.update('layers', 10, undefined);
      progress.update('layers', 30, 20);
      progress.update('layers', 30, 60);
      progress.close();
    });
    expect(drawn).not.toMatch(/NaN|Infinity|undefined|1[1-9]\d%/);
  });

  it('puts notes on lines of their own', () => {
    const drawn = draw((progress) => {
      progress.update('layers', 10, 20);
      progress.note('rundle: a note');
      progress.update('layers', 20, 20);
      progress.close();
    });
    expect(drawn).toContain('\u001b[2Krundle: a note\n');
  });
});

it('silentProgress says nothing and fails at nothing', () => {
  silentProgress.update('layers', 1, undefined);
  silentProgress.note('x');
  silentProgress.close();
});

describe('figures', () => {
  it('are bytes in powers of 1000', () => {
    expect(
      [0, 999, 1000, 99_949, 99_950, 999_499, 999_500, 89.8 * MB, 3e12, 5e15].map(formatBytes),
    ).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '99.9 kB',
      '100 kB',
      '999 kB',
      '1.0 MB',
      '89.8 MB',
      '3.0 TB',
      '5000 TB',
    ]);
  });

  it('are seconds and minutes', () => {
    expect([0, 0.44, 9.94, 9.96, 59.4, 59.6, 185.2].map(formatSeconds)).toEqual([
      '0.0 s',
      '0.4 s',
      '9.9 s',
      '10 s',
      '59 s',
      '1 min 0 s',
      '3 min 5 s',
    ]);
  });
});
