import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = new URL('..', import.meta.url).pathname;
const source = join(root, 'src');

/** Folders and top-level files of src/, lowest first: each may import what stands before it. */
const LAYERS = [
  'errors.ts',
  'schema.ts',
  'decoder',
  'tree',
  'oci',
  'blob',
  'layer',
  'template',
  'rootfs',
  'registry',
  'credentials',
  'mirrors',
  'cache',
  'squashfs',
  'sif',
  'bundle',
  'requirement',
  'engine',
  'source',
  'startup',
  'hosts',
  'progress',
  'interruption.ts',
  'remove-tree.ts',
  'temporary-directory.ts',
  'version.ts',
  'unpack.ts',
  'build-changes.ts',
  'build-platforms.ts',
  'build-progress.ts',
  'build.ts',
  'commands',
  'cli.ts',
];

/** Where these modules may be imported; the others are free. */
const RESTRICTED: Readonly<Record<string, readonly string[]>> = {
  'node:child_process': ['credentials', 'unpack.ts'],
  commander: ['commands', 'cli.ts'],
  'cli-progress': ['progress'],
  mustache: ['template'],
  'smol-toml': ['mirrors'],
  undici: ['engine', 'registry'],
  'zstd-codec': ['decoder', 'squashfs', 'layer'],
};

/** One import or re-export of a file. */
interface Import {
  from: string;
  target: string;
}

function filesBelow(directory: string, endings: readonly string[]): string[] {
  const skipped = ['node_modules', 'dist', 'build', '.git', '.cache', '.ci'];
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    if (skipped.includes(entry.name)) return [];
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return filesBelow(path, endings);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}

const sources = filesBelow(source, ['.ts']);

/** What compiles away counts too: a type says as much about who knows whom. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\s[^'";]*?from\s+'([^']+)'/gm),
    ...text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g),
    ...text.matchAll(/^\s*import\s+'([^']+)'/gm),
  ];
  return found.map((match) => ({ from: file, target: match[1] ?? '' }));
}

const imports = sources.flatMap(importsOf);
const local = imports
  .filter(({ target }) => target.startsWith('.'))
  .map(({ from, target }) => ({
    from,
    to: resolve(from, '..', target).replace(/\.js$/, '.ts'),
  }));

const layerOf = (file: string) => relative(source, file).split('/')[0] ?? '';

describe('architecture', () => {
  it('finds what it is about', () => {
    expect(sources.length).toBeGreaterThan(50);
    expect(local.length).toBeGreaterThan(100);
  });

  it('has a place for every folder and file of src/', () => {
    for (const file of sources) expect(LAYERS, file).toContain(layerOf(file));
  });

  it('imports downwards only', () => {
    const upwards = local.filter(({ from, to }) => {
      const [own, other] = [layerOf(from), layerOf(to)];
      return own !== other && LAYERS.indexOf(other) >= LAYERS.indexOf(own);
    });
    expect(
      upwards.map(({ from, to }) => `${relative(root, from)} -> ${relative(root, to)}`),
    ).toEqual([]);
  });

  it('has no cycles', () => {
    const targets = new Map<string, string[]>();
    for (const { from, to } of local) targets.set(from, [...(targets.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) {
        const cycle = [...path.slice(path.indexOf(file)), file];
        cycles.push(cycle.map((one) => relative(source, one)).join(' -> '));
        return;
      }
      if (done.has(file)) return;
      for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('keeps modules where they belong', () => {
    for (const { from, target } of imports) {
      const places = RESTRICTED[target];
      if (places !== undefined) expect(places, `${target} in ${from}`).toContain(layerOf(from));
    }
  });

  it('names built-in modules with node:', () => {
    for (const { from, target } of imports) {
      expect(target, from).not.toMatch(
        /^(fs|path|os|crypto|child_process|worker_threads|util|url|stream|zlib)(\/|$)/,
      );
    }
  });

  it('prints and exits in the command line alone', () => {
    for (const file of sources) {
      if (['cli.ts', 'commands', 'progress'].includes(layerOf(file))) continue;
      const code = withoutComments(readFileSync(file, 'utf8'));
      expect(code, file).not.toMatch(/\bconsole\.|process\.(exit\(|exitCode|stdout|stderr|abort)/);
    }
  });

  it('has no default exports and no barrels', () => {
    for (const file of sources) {
      const code = withoutComments(readFileSync(file, 'utf8'));
      expect(code, file).not.toMatch(/^export (default|\*)/m);
    }
  });

  it('has no file above 400 lines', () => {
    const long = filesBelow(root, ['.ts', '.mjs', '.c', '.h', '.sh', '.mustache', '.py']).flatMap(
      (file) => {
        const lines = readFileSync(file, 'utf8').split('\n').length - 1;
        return lines > 400 ? [`${relative(root, file)}: ${lines}`] : [];
      },
    );
    expect(long).toEqual([]);
  });

  it('has names that say what is in a file', () => {
    const vague = /(^|\/)(utils?|common|helpers?|misc|shared|stuff)(\.|\/|$)/;
    const names = filesBelow(root, ['.ts', '.mjs', '.c', '.h', '.sh', '.mustache', '.py']);
    expect(names.map((name) => relative(root, name)).filter((name) => vague.test(name))).toEqual(
      [],
    );
  });

  it('names TypeScript files in kebab-case', () => {
    for (const file of sources) {
      expect(relative(source, file)).toMatch(
        /^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/,
      );
    }
  });
});

function withoutComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
