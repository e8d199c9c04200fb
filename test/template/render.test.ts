import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadHeaderTemplate } from '#rundle/bundle/header.js';
import { renderTemplate } from '#rundle/template/render.js';
import type { ByteString } from '#rundle/tree/byte-string.js';
import { SHELLS } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'rundle-render-'));
afterAll(() => rmSync(folder, { recursive: true }));

const render = (template: string, view: Record<string, string>) =>
  renderTemplate(template as ByteString, view as Record<string, ByteString>);
const refused = expect.objectContaining({ code: 'E_TEMPLATE' });

test('a value becomes one quoted word', () => {
  expect(render('a={{x}}\n\tb={{y}}\n', { x: "it's", y: '' })).toBe("a='it'\\''s'\n\tb=''\n");
  expect(render('a={{ x }}', { x: '{{x}} {{&x}} \xff' })).toBe("a='{{x}} {{&x}} \xff'");
});

test.each([
  ['a key without a value', 'a={{x}}\nb={{y}}\n', { x: '' }],
  ['a key of Object.prototype', 'a={{constructor}}\n', {}],
  ['a value without a key', 'a={{x}}\n', { x: '', y: '' }],
  ['an unescaped tag', 'a={{{x}}}\n', { x: '' }],
  ['an unescaped tag', 'a={{&x}}\n', { x: '' }],
  ['a section', 'a={{#x}}{{/x}}\n', { x: '' }],
  ['an inverted section', 'a={{^x}}{{/x}}\n', { x: '' }],
  ['a partial', 'a={{>x}}\n', { x: '' }],
  ['a comment', 'a={{x}}\n{{! no }}\n', { x: '' }],
  ['other delimiters', '{{=<% %>=}}\na=<%x%>\n', { x: '' }],
  ['a path', 'a={{x.length}}\n', { x: '' }],
  ['the implicit iterator', 'a={{.}}\n', { '.': '' }],
  ['an open tag', 'a={{x\n', { x: '' }],
  ['text after the tag', 'a={{x}}b\n', { x: '' }],
  ['a command after the tag', 'a={{x}} id\n', { x: '' }],
  ['two tags', 'a={{x}}{{x}}\n', { x: '' }],
  ['a tag in quotes', 'a="{{x}}"\n', { x: '' }],
  ['a tag in a command', 'echo {{x}}\n', { x: '' }],
  ['a tag in a comment', '# {{x}}\n', { x: '' }],
  ['an assignment in a comment', '# a={{x}}\n', { x: '' }],
  ['NUL', 'a={{x}}\n', { x: '\0' }],
])('%s is refused: %j', (_, template, view) => {
  expect(() => render(template, view as Record<string, string>)).toThrow(refused);
});

describe('the header', async () => {
  const template = await loadHeaderTemplate();
  const keys = [...template.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] ?? '');
  const fill = (value: (key: string) => string) =>
    render(template, Object.fromEntries(keys.map((key) => [key, value(key)])));
  const usual = (key: string) =>
    key.endsWith('_skip') || key.endsWith('_count') || key === 'size' ? '4' : 'x86_64';

  test.each([
    ['usual values', usual],
    ['empty values', () => ''],
    ['hostile values', () => `'; touch "x" $(touch x) \`touch x\`\n touch x\n'"`],
  ])('passes shellcheck with %s', (_, value) => {
    const script = join(folder, 'header.sh');
    writeFileSync(script, fill(value), 'latin1');
    // SC2016: what looks like an expansion in single quotes is a value.
    const excluded = value === usual ? [] : ['-e', 'SC2016'];
    const stdio = ['ignore', 'inherit', 'inherit'] as const;
    execFileSync('shellcheck', ['-s', 'sh', ...excluded, script], { stdio: [...stdio] });
    for (const [program, ...args] of SHELLS) execFileSync(program, [...args, '-n', script]);
  });

  test('values from outside do not run, whatever they hold', () => {
    const marker = join(folder, 'marker');
    for (const evil of [
      `$(touch ${marker})`,
      `\`touch ${marker}\``,
      `'; touch ${marker}; '`,
      `'\ntouch ${marker}\n'`,
      `"; touch ${marker}; "`,
      `\\'; touch ${marker} #`,
      `\xff'\xff; touch ${marker}`,
      `}; touch ${marker}; {`,
    ]) {
      const script = join(folder, 'evil.run');
      writeFileSync(
        script,
        fill(() => evil),
        'latin1',
      );
      for (const [program, ...args] of SHELLS) {
        const run = () => execFileSync(program, [...args, script], { stdio: 'pipe', cwd: folder });
        expect(run).toThrow(/needs Linux on|cannot convert|syntax error|cannot hold/);
        expect(existsSync(marker)).toBe(false);
      }
    }
  });
});
