import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BUILD_OPTIONS } from '#rundle/commands/build-options.js';
import { CACHE_COMMAND_OPTIONS, PRUNE_OPTIONS } from '#rundle/commands/cache.js';
import { HOSTS_OPTIONS } from '#rundle/commands/hosts.js';
import { INSPECT_OPTIONS } from '#rundle/commands/inspect.js';
import { optionTable } from '#rundle/commands/option.js';
import { UNPACK_OPTIONS } from '#rundle/commands/unpack.js';

const commands = {
  build: BUILD_OPTIONS,
  inspect: INSPECT_OPTIONS,
  unpack: UNPACK_OPTIONS,
  cache: CACHE_COMMAND_OPTIONS,
  'cache prune': PRUNE_OPTIONS,
  hosts: HOSTS_OPTIONS,
};

const cli = new URL('../dist/cli.js', import.meta.url).pathname;
const file = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
const help = (...args: string[]) =>
  execFileSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
const inOneLine = (text: string) => text.replace(/\s+/g, ' ');

describe('help', () => {
  for (const [name, rows] of Object.entries(commands)) {
    it(`of ${name} lists every option, and the README has the same table`, () => {
      const text = inOneLine(help(...name.split(' '), '--help'));
      for (const row of rows) expect(text).toContain(inOneLine(`${row.flags} ${row.text}`));
      expect(file('src/commands/README.md')).toContain(optionTable(rows));
    });

    it(`of ${name} has examples`, () => {
      expect(help(...name.split(' '), '--help')).toMatch(
        new RegExp(`Examples:\n  rundle ${name}[ \n]`),
      );
    });
  }

  it('names every command', () => {
    for (const name of Object.keys(commands)) {
      const outer = name.split(' ').slice(0, -1);
      expect(help(...outer, '--help')).toContain(`\n  ${name.split(' ').at(-1)} `);
    }
  });

  it('fits into 80 columns where the options are listed', () => {
    const lines = help('build', '--help').split('\nSOURCE is one of')[0]?.split('\n') ?? [];
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('and the launcher know every option that the READMEs mention', () => {
    // Ours, and those of mpirun, parallel and srun.
    const known = new Set(['--help', '--version', '--tag-output', '--tag', '--ntasks-per-node']);
    const take = (text: string) => {
      for (const [option] of text.matchAll(/--[a-z][a-z-]+/g)) known.add(option);
    };
    for (const row of Object.values(commands).flat()) take(row.flags);
    for (const [, option] of file('stub/options_table.c').matchAll(/\((?:'.'|0), "([a-z-]+)"/g)) {
      known.add(`--${option}`);
    }
    for (const readme of ['README.md', 'src/commands/README.md']) {
      for (const [option] of file(readme).matchAll(/(?<![\w-])--[a-z][a-z-]+/g)) {
        expect(known, `${option} in ${readme}`).toContain(option);
      }
    }
  });
});
