import { join } from 'node:path';
import { expect, test } from 'vitest';
import { make, run, stub } from './support.js';

test('what the launcher prints is what the C library would print', () => {
  make('build/asan/format_tool');
  const ended = run([join(stub, 'build/asan/format_tool')]);
  expect(ended.stdout).toMatch(/^[1-9]\d{3} compared, 0 different\n$/);
  expect(ended.status).toBe(0);
});
