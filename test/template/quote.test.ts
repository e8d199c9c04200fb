import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { quoteForShell } from '#rundle/template/quote.js';
import { type ByteString, fromBytes } from '#rundle/tree/byte-string.js';
import { SHELLS } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'rundle-quote-'));
afterAll(() => rmSync(folder, { recursive: true }));

const special = fc.constantFrom(
  ...["'", '"', '\\', '$', '`', '\n', '\r', ' ', '\t', '!', '*', '?', '[', ']', '~', '#', '&', ';'],
  ...['$(id)', '`id`', "'\\''", '${x}', '{{', '}}', '\x7f', '\x1b', '\xff', '\xc3\xa9'],
);
const anyBytes = fc
  .uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 8 })
  .map((bytes) => fromBytes(bytes) as string);
const words = fc.array(fc.array(fc.oneof(special, anyBytes), { maxLength: 20 }), {
  minLength: 1,
  maxLength: 20,
});

// yash reads scripts as characters of its locale.
test.each(
  SHELLS.filter(([name]) => name !== 'yash').map((shell) => [shell.join(' '), shell] as const),
)('what is quoted comes back byte for byte from %s', (_, [program, ...args]) => {
  const script = join(folder, 'script');
  fc.assert(
    fc.property(words, (lists) => {
      const values = lists.map((parts) => parts.join('') as ByteString);
      const assignments = values.map((value, i) => `v${i}=${quoteForShell(value)}\n`).join('');
      const uses = values.map((_, i) => `"$v${i}"`).join(' ');
      writeFileSync(script, `${assignments}printf '%s\\000' ${uses}\n`, 'latin1');
      const output = execFileSync(program, [...args, script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      expect(output.toString('latin1')).toBe(values.map((value) => `${value}\0`).join(''));
    }),
    { numRuns: 60 },
  );
});

test('NUL is refused', () => {
  expect(() => quoteForShell('a\0b' as ByteString)).toThrow(
    expect.objectContaining({ code: 'E_TEMPLATE' }),
  );
});
