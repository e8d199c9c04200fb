import { describe, expect, it, test } from 'vitest';
import { RundleError } from '#rundle/errors.js';
import { limitTo } from '#rundle/registry/limit.js';
import { PassingFault, patienceWith, persist, retryAfter } from '#rundle/registry/patience.js';

const fault = (wait?: number) => new PassingFault(new RundleError('E_NETWORK', 'no'), wait);
const patience = patienceWith({ attempts: 3, firstWait: 1, longestWait: 50 });
const never = new AbortController().signal;

describe('persistence', () => {
  it('tries again until it works', async () => {
    let tried = 0;
    const result = await persist(
      async () => {
        tried += 1;
        if (tried < 3) throw fault();
        return 'yes';
      },
      patience,
      never,
    );
    expect([tried, result]).toEqual([3, 'yes']);
  });

  it('gives up after the last attempt, and says so', async () => {
    let tried = 0;
    const failing = persist(
      async () => {
        tried += 1;
        throw fault();
      },
      patience,
      never,
    );
    await expect(failing).rejects.toMatchObject({
      code: 'E_NETWORK',
      message: 'no; tried 3 times',
    });
    expect(tried).toBe(3);
  });

  it('does not try again what cannot change', async () => {
    let tried = 0;
    const failing = persist(
      async () => {
        tried += 1;
        throw new RundleError('E_AUTH', 'go away');
      },
      patience,
      never,
    );
    await expect(failing).rejects.toMatchObject({ code: 'E_AUTH' });
    expect(tried).toBe(1);
  });

  it('does not wait longer than it may', async () => {
    const failing = persist(
      async () => {
        throw fault(3_600_000);
      },
      patience,
      never,
    );
    await expect(failing).rejects.toMatchObject({
      message: 'no; it wants to be asked again in 3600 seconds',
    });
  });

  it('stops waiting when it is told to', async () => {
    const abort = new AbortController();
    const waiting = persist(
      async () => {
        setImmediate(() => abort.abort());
        throw fault(600_000);
      },
      patienceWith({ longestWait: 700_000 }),
      abort.signal,
    );
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('Retry-After', () => {
  const now = Date.parse('Sat, 21 Nov 2026 07:00:00 GMT');
  test.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['Sat, 21 Nov 2026 07:00:30 GMT', 30_000],
    ['Sat, 21 Nov 2026 06:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['99999999999', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%s is %s', (field, expected) => {
    expect(retryAfter(field, now)).toBe(expected);
  });
});

describe('turns', () => {
  it('are taken by so many at a time, in order', async () => {
    const inTurn = limitTo(2);
    let running = 0;
    let most = 0;
    const order: number[] = [];
    const one = (index: number) =>
      inTurn(async () => {
        running += 1;
        most = Math.max(most, running);
        order.push(index);
        await new Promise(setImmediate);
        running -= 1;
        if (index === 3) throw new Error('three');
      });
    const all = await Promise.allSettled([1, 2, 3, 4, 5, 6].map(one));
    expect(most).toBe(2);
    expect(order).toEqual([1, 2, 3, 4, 5, 6]);
    expect(all.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });
});
