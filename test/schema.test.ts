import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { count, list, listFaults, object, record, type Schema, validate } from '../src/schema.js';

function faultsOf(schema: Schema<unknown>, value: unknown): string {
  const result = validate(schema, value);
  return result.valid ? '' : listFaults(result.faults, 'document');
}

describe('a schema', () => {
  const place = object({ name: v.string(), ports: list(count, 3) });

  it('leaves out members that it does not know', () => {
    expect(validate(place, { name: 'a', ports: [1], more: true })).toEqual({
      valid: true,
      value: { name: 'a', ports: [1] },
    });
  });

  it('says which members do not fit, and shows nothing of what is in them', () => {
    expect(faultsOf(place, { name: 7, ports: [1, 'hunter2'] })).toBe(
      'name: Invalid input: expected string, received number; ' +
        'ports.1: Invalid input: expected number, received string',
    );
  });

  it('says what belongs where a member is missing', () => {
    expect(faultsOf(place, { ports: [] })).toBe(
      'name: Invalid input: expected string, received undefined',
    );
  });

  it.each([[[]], [null], ['text'], [7]])('takes %j for no object', (value) => {
    expect(faultsOf(place, value)).toMatch(/^document: Invalid input: expected object, received /);
    expect(faultsOf(record(v.string(), v.string()), value)).toMatch(/^document: .*expected record/);
  });

  it('counts the items of a list before it looks at them', () => {
    let seen = 0;
    const items = list(
      v.custom((): boolean => {
        seen++;
        return true;
      }),
      2,
    );
    expect(faultsOf(items, [1, 2, 3])).toBe('document: Too big: expected array to have <=2 items');
    expect(seen).toBe(0);
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '1', null])(
    'takes %s for no count',
    (value) => {
      expect(faultsOf(count, value)).not.toBe('');
    },
  );

  it('keeps every key of a map but __proto__, which becomes nobody’s prototype', () => {
    const map = record(v.string(), v.string());
    const value = JSON.parse('{"constructor":"a","prototype":"b","__proto__":"c","b":"d"}');
    const result = validate(map, value);
    expect(result).toEqual({ valid: true, value: { constructor: 'a', prototype: 'b', b: 'd' } });
    expect(faultsOf(map, JSON.parse('{"__proto__":7}'))).toBe('');
  });

  it('says which key of a map and which value in it do not fit', () => {
    const map = record(v.pipe(v.string(), v.maxLength(3)), object({ size: count }));
    expect(faultsOf(map, { long1: {}, ok: { size: -1 } })).toBe(
      'long1: Invalid key in record; ok.size: Too small: expected number to be >=0',
    );
  });

  it('lists three faults at most', () => {
    expect(faultsOf(v.array(v.string()), [1, 2, 3, 4]).split('; ')).toHaveLength(3);
  });
});
