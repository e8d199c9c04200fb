import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILD_OPTIONS } from '#rundle/commands/build-options.js';
import { CACHE_COMMAND_OPTIONS, PRUNE_OPTIONS } from '#rundle/commands/cache.js';
import { HOSTS_OPTIONS } from '#rundle/commands/hosts.js';
import { INSPECT_OPTIONS } from '#rundle/commands/inspect.js';
import type { OptionRow } from '#rundle/commands/option.js';
import { UNPACK_OPTIONS } from '#rundle/commands/unpack.js';

const root = new URL('..', import.meta.url).pathname;
const read = (name: string) => readFileSync(join(root, name), 'utf8');
const cli = join(root, 'dist/cli.js');
const page = read('man/rundle.1');
const bundlePage = read('man/rundle-bundle.7');

const commands: Record<string, readonly OptionRow[]> = {
  'rundle build': BUILD_OPTIONS,
  'rundle inspect': INSPECT_OPTIONS,
  'rundle unpack': UNPACK_OPTIONS,
  'rundle cache': CACHE_COMMAND_OPTIONS,
  'rundle cache prune': PRUNE_OPTIONS,
  'rundle hosts': HOSTS_OPTIONS,
};

/** The lines of a section or subsection, up to the next one. */
function section(text: string, heading: string): string[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line === `.Sh ${heading}` || line === `.Ss ${heading}`);
  expect(start, heading).toBeGreaterThanOrEqual(0);
  const end = lines.findIndex((line, i) => i > start && /^\.S[hs] /.test(line));
  return lines.slice(start + 1, end);
}

/** `.It Fl o , Fl -output Ar FILE` as `-o, --output FILE`, each with what is said of it. */
function options(lines: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  let name = '';
  for (const line of lines) {
    const item = /^\.It (Fl .*)/.exec(line)?.[1];
    if (item !== undefined)
      name = item.replace(/Fl /g, '-').replace(/ , /g, ', ').replace(/Ar /g, '');
    else if (line === '.El') name = '';
    if (name !== '') found.set(name, `${found.get(name) ?? ''} ${item === undefined ? line : ''}`);
  }
  return found;
}

const items = (lines: readonly string[], macro = '') =>
  lines
    .filter((line) => line.startsWith(`.It ${macro}`))
    .flatMap((line) => line.slice(4 + macro.length).split(' , '));

const sorted = (all: Iterable<string>) => [...new Set(all)].sort();

/** Every file below `folder`, in one text. */
function sources(folder: string, ending: RegExp): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name) && !name.startsWith('build/'))
    .map((name) => read(join(folder, name)))
    .join('\n');
}

describe('man pages', () => {
  let directory: string;
  let help: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'rundle-man-'));
    mkdirSync(join(directory, 'rootfs/bin'), { recursive: true });
    copyFileSync('/bin/busybox', join(directory, 'rootfs/bin/busybox'));
    const bundle = join(directory, 'app.run');
    execFileSync(process.execPath, [
      cli,
      ...['build', `dir:${join(directory, 'rootfs')}`, '-o', bundle, '-q', '--cmd', '/bin/busybox'],
    ]);
    help = execFileSync(bundle, ['--help'], { encoding: 'utf8' });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('are sound', () => {
    for (const name of ['rundle.1', 'rundle-bundle.7']) {
      const file = join(root, 'man', name);
      const { stdout, status } = spawnSync('mandoc', ['-Tlint', '-W', 'warning', file], {
        encoding: 'utf8',
      });
      expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
    }
  });

  it('are those that the package installs', () => {
    const { man, files } = JSON.parse(read('package.json'));
    expect(man.sort()).toEqual(
      readdirSync(join(root, 'man'))
        .map((name) => `man/${name}`)
        .sort(),
    );
    expect(files).toContain('man');
  });

  for (const [name, rows] of Object.entries(commands)) {
    it(`have the options of ${name}, and no other`, () => {
      const found = options(section(page, name));
      expect(sorted(found.keys())).toEqual(
        sorted(rows.map(({ flags }) => flags.replace(/[<>]/g, ''))),
      );
      if (name === 'rundle unpack') return;
      const repeatable = [...found].filter(([, text]) => text.includes('Repeatable.'));
      expect(sorted(repeatable.map(([flags]) => flags))).toEqual(
        sorted(rows.filter((row) => row.repeatable).map(({ flags }) => flags.replace(/[<>]/g, ''))),
      );
    });
  }

  it('have the options of the bare command, every command and every source', () => {
    const text = execFileSync(process.execPath, [cli, '--help'], { encoding: 'utf8' });
    const listed = [...text.matchAll(/^ {2}(-\w, --\w+) {2,}/gm)].map((match) => match[1] ?? '');
    expect(sorted(options(section(page, 'DESCRIPTION')).keys())).toEqual(sorted(listed));
    const names = [...text.matchAll(/^ {2}([a-z]+) .* {2}/gm)].map((match) => `rundle ${match[1]}`);
    expect(sorted([...names, 'rundle cache prune'])).toEqual(sorted(Object.keys(commands)));
    for (const name of Object.keys(commands)) expect(page).toContain(`\n.Nm ${name}\n`);
    const buildHelp = execFileSync(process.execPath, [cli, 'build', '--help'], {
      encoding: 'utf8',
    });
    const transports = [
      ...(/SOURCE is one of (.*)/.exec(buildHelp)?.[1] ?? '').matchAll(/[a-z-]+:/g),
    ];
    const sourceItems = [
      ...section(page, 'Sources')
        .join('\n')
        .matchAll(/Sy ([a-z-]+:)/g),
    ];
    expect(sorted(sourceItems.map((match) => match[1] ?? ''))).toEqual(
      sorted(transports.map(([name]) => name)),
    );
  });

  it('have the options of a bundle under the headings of its help, and no other', () => {
    const groups = [...help.matchAll(/^([A-Z][^:\n]*):\n((?: {2,}-.*\n)+)/gm)];
    expect(groups.length).toBeGreaterThan(3);
    for (const [, heading = '', lines = ''] of groups) {
      const rows = [...lines.matchAll(/^ +((?:-\w, )?--[a-z-]+(?: \S+)?) {2,}/gm)];
      expect(rows.length).toBe(lines.trimEnd().split('\n').length);
      expect(sorted(options(section(bundlePage, heading)).keys()), heading).toEqual(
        sorted(rows.map((match) => match[1] ?? '')),
      );
    }
    const all = groups.map((match) => match[2]).join('');
    expect([...options(bundlePage.split('\n')).keys()].length).toBe(
      all.trimEnd().split('\n').length,
    );
  });

  it('say which options of a bundle can be repeated', () => {
    const listed = /can be repeated: ([^.]*)\./.exec(help)?.[1] ?? '';
    const found = [...options(bundlePage.split('\n'))].filter(([, text]) =>
      text.includes('Repeatable.'),
    );
    expect(sorted(found.map(([name]) => /--[a-z-]+/.exec(name)?.[0] ?? ''))).toEqual(
      sorted(listed.split(/,\s+/)),
    );
  });

  it('mention no option that there is not', () => {
    const known = new Set(
      [...options(page.split('\n')).keys(), ...options(bundlePage.split('\n')).keys()].flatMap(
        (name) => name.match(/--?[a-z-]+/gi) ?? [],
      ),
    );
    for (const text of [page, bundlePage]) {
      for (const [, name] of text.matchAll(/\bFl (-[a-z][a-z-]+)/g))
        expect(known).toContain(`-${name}`);
    }
  });

  it('name every tier that --mode takes', () => {
    const tiers = /--mode TIER .*: (.*)/.exec(help)?.[1]?.match(/\w{3,}/g) ?? [];
    expect(items(section(bundlePage, 'TIERS'), 'Cm ')).toEqual(tiers);
  });

  it('have the exit statuses of the helps', () => {
    const statuses = (text: string) =>
      sorted(
        [...(/Exit status:([\s\S]*)/.exec(text)?.[1]?.matchAll(/\b\d{1,3}\b/g) ?? [])].map(
          ([n]) => n,
        ),
      );
    expect(sorted(items(section(bundlePage, 'EXIT STATUS')))).toEqual(statuses(help));
    const hosts = execFileSync(process.execPath, [cli, 'hosts', '--help'], { encoding: 'utf8' });
    const lines = section(page, 'EXIT STATUS');
    const answers = lines.slice(lines.indexOf('answers by its exit status:'));
    expect(items(answers)).toEqual(statuses(hosts.split('\nExamples')[0] ?? '').sort());
    const own = /Exit status: ([^.;]*)/.exec(read('src/commands/README.md'))?.[1] ?? '';
    expect(sorted(items(lines.slice(0, -answers.length)))).toEqual(
      sorted(own.match(/\b\d{1,3}\b/g) ?? []),
    );
  });

  it('have the environment variables that are read', () => {
    const own = items(section(bundlePage, 'ENVIRONMENT'), 'Ev ');
    const launcher = sources('stub', /\.[ch]$/) + sources('templates', /\.mustache$/);
    const settings = [...launcher.matchAll(/"(ENROOT_[A-Z_]*[A-Z])"|getenv\("([A-Z_]+)"\)/g)];
    // sudo says who called; nobody sets that by hand.
    const names = settings
      .flatMap(([, a, b]) => a ?? b ?? [])
      .filter((name) => name !== 'SUDO_UID');
    expect(sorted(own)).toEqual(sorted([...names, 'RUNDLE_LAUNCHER_CACHE']));

    const listed = items(section(page, 'ENVIRONMENT'), 'Ev ');
    const builder = sources('src', /\.(ts|md)$/);
    for (const name of listed) expect(builder).toMatch(new RegExp(`\\b${name}\\b`));
    const families =
      /\b(?:RUNDLE|XDG|REGISTRY_AUTH|CONTAINERS_REGISTRIES|CONTAINER|SSL_CERT|NODE_EXTRA|SOURCE_DATE|DOCKER)_(?!HUB|MANIFEST)[A-Z_]*[A-Z]\b/g;
    const isBundles = (name: string) => own.includes(name) && !listed.includes(name);
    const used = [...builder.matchAll(families)].map(([name]) => name);
    for (const name of sorted(used))
      expect(isBundles(name) || listed.includes(name), name).toBe(true);
  });
});
