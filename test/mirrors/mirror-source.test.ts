import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endpointsFor, mirrorSource } from '#rundle/mirrors/mirror-source.js';
import { readRegistriesConf } from '#rundle/mirrors/registries-conf.js';
import type { Digest } from '#rundle/oci/digest.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rundle-test-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const USER = 'home/.config/containers/registries.conf';
const SYSTEM = 'etc/registries.conf';

function write(name: string, text: string): string {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const rules = (environment: Record<string, string> = {}) =>
  readRegistriesConf({ HOME: join(directory, 'home'), ...environment }, join(directory, SYSTEM));

/** The places as `host/repository`, with `!` behind one that may be insecure. */
async function places(
  name: string,
  { tag = 'latest', digest }: { tag?: string; digest?: Digest } = {},
) {
  const slash = name.indexOf('/');
  const reference = { host: name.slice(0, slash), repository: name.slice(slash + 1) };
  const which = digest === undefined ? { tag } : { digest };
  const found = endpointsFor({ ...reference, ...which }, await rules());
  return found.map((one) => `${one.host}/${one.repository}${one.insecure ? '!' : ''}`);
}

describe('registries.conf', () => {
  it('changes nothing where there is none', async () => {
    expect(await places('docker.io/library/ubuntu')).toEqual(['docker.io/library/ubuntu']);
  });

  it('puts mirrors before the origin, as in the example of its manual page', async () => {
    write(
      USER,
      `unqualified-search-registries = ["example.com"]
       [[registry]]
       prefix = "example.com/foo"
       location = "internal.example/bar"
       [[registry.mirror]]
       location = "mirror-0.local/mirror-for-foo"
       [[registry.mirror]]
       location = "Mirror-1.local:5000/mirrors/foo/"
       insecure = true
       [[registry]]
       location = "registry.com"
       insecure = true
       [[registry.mirror]]
       location = "mirror.registry.com"
       [aliases]
       "ubuntu" = "example.com/ubuntu"`,
    );
    expect(await places('example.com/foo/image')).toEqual([
      'mirror-0.local/mirror-for-foo/image',
      'mirror-1.local:5000/mirrors/foo/image!',
      'internal.example/bar/image',
    ]);
    expect(await places('registry.com/image')).toEqual([
      'mirror.registry.com/image',
      'registry.com/image!',
    ]);
    expect(await places('example.com/food/image')).toEqual(['example.com/food/image']);
    expect(await places('docker.io/library/ubuntu')).toEqual(['docker.io/library/ubuntu']);
  });

  it('takes the longest prefix, at the bounds of a name only', async () => {
    const prefixes = ['r.example', 'r.example/a', 'r.example:5000', '*.example'];
    const pinned = ['r.example/a/b:v1', `r.example/a/c@${DIGEST}`];
    const rule = (prefix: string, mirror: string) =>
      `[[registry]]\nprefix = "${prefix}"\n[[registry.mirror]]\nlocation = "${mirror}"\n`;
    write(
      USER,
      prefixes.map((prefix, index) => rule(prefix, `m${index}.local`)).join('') +
        rule(pinned[0] as string, 'm4.local/b:v1') +
        rule(pinned[1] as string, `m5.local/c@${DIGEST}`),
    );
    const first = async (...args: Parameters<typeof places>) => (await places(...args))[0];
    expect(await first('r.example/b')).toBe('m0.local/b');
    expect(await first('r.example/ab')).toBe('m0.local/ab');
    expect(await first('r.example/a/x')).toBe('m1.local/x');
    expect(await first('r.example:5000/a')).toBe('m2.local/a');
    expect(await first('s.example/a')).toBe('m3.local/a');
    expect(await first('r.example/a/b', { tag: 'v1' })).toBe('m4.local/b');
    expect(await first('r.example/a/b', { tag: 'v12' })).toBe('m1.local/b');
    expect(await first('r.example/a/c', { digest: DIGEST })).toBe('m5.local/c');
  });

  it('has wildcards for subdomains', async () => {
    write(
      USER,
      '[[registry]]\nprefix = "*.example.com"\n[[registry.mirror]]\nlocation = "m.local/all"\n' +
        '[[registry]]\nprefix = "special.example.com"\nlocation = "s.local"\n',
    );
    expect(await places('a.b.example.com/x')).toEqual(['m.local/all/x', 'a.b.example.com/x']);
    expect(await places('special.example.com/x')).toEqual(['s.local/x']);
    expect(await places('example.com/x')).toEqual(['example.com/x']);
    expect(await places('badexample.com/x')).toEqual(['badexample.com/x']);
    expect(await places('other.org/a.example.com/x')).toEqual(['other.org/a.example.com/x']);
  });

  it('has mirrors for digests and for tags', async () => {
    write(
      USER,
      '[[registry]]\nlocation = "r.example"\n' +
        '[[registry.mirror]]\nlocation = "d.local"\npull-from-mirror = "digest-only"\n' +
        '[[registry.mirror]]\nlocation = "t.local"\npull-from-mirror = "tag-only"\n' +
        '[[registry.mirror]]\nlocation = "a.local"\npull-from-mirror = "all"\n' +
        '[[registry]]\nlocation = "o.example"\nmirror-by-digest-only = true\n' +
        '[[registry.mirror]]\nlocation = "m.local"\n',
    );
    const [r, o] = ['r.example/x', 'o.example/x'];
    expect(await places(r)).toEqual(['t.local/x', 'a.local/x', 'r.example/x']);
    expect(await places(r, { digest: DIGEST })).toEqual(['d.local/x', 'a.local/x', 'r.example/x']);
    expect(await places(o)).toEqual(['o.example/x']);
    expect(await places(o, { digest: DIGEST })).toEqual(['m.local/x', 'o.example/x']);
  });

  it('blocks', async () => {
    const file = write(
      USER,
      '[[registry]]\nlocation = "r.example"\nblocked = true\n[[registry]]\nlocation = "r.example/ok"\n',
    );
    await expect(places('r.example/x')).rejects.toMatchObject({
      code: 'E_USAGE',
      message: `reading docker://r.example/x:latest: "r.example" is blocked by ${file}`,
    });
    expect(await places('r.example/ok')).toEqual(['r.example/ok']);
  });
});

describe('the files', () => {
  const rule = (prefix: string, location: string) =>
    `[[registry]]\nprefix = "${prefix}"\nlocation = "${location}"\n`;
  const locations = async (environment: Record<string, string> = {}) =>
    Object.fromEntries((await rules(environment)).map((one) => [one.prefix, one.location]));

  it("are the system's with both sets of drop-ins, a later one winning", async () => {
    write(SYSTEM, rule('a', 'main') + rule('b', 'main') + rule('c', 'main') + rule('d', 'main'));
    // In an order that neither a directory's nor its reverse is.
    for (const number of [30, 10, 50, 20, 40]) {
      const more = number === 10 ? rule('c', 'first') + rule('d', 'first') : '';
      write(`${SYSTEM}.d/${number}.conf`, rule('b', number === 50 ? 'later' : `${number}`) + more);
    }
    write(`${SYSTEM}.d/60.conf.off`, rule('b', 'off'));
    write(`${USER}.d/10.conf`, rule('d', 'user'));
    expect(await locations()).toEqual({ a: 'main', b: 'later', c: 'first', d: 'user' });
  });

  it("are the user's alone where the user has a main file", async () => {
    write(SYSTEM, rule('a', 'main'));
    write(`${SYSTEM}.d/10.conf`, rule('b', 'system'));
    write(USER, rule('c', 'user'));
    write(`${USER}.d/10.conf`, rule('d', 'user'));
    expect(await locations()).toEqual({ c: 'user', d: 'user' });
  });

  it('may be named by CONTAINERS_REGISTRIES_CONF', async () => {
    write(SYSTEM, rule('a', 'main'));
    write(USER, rule('b', 'user'));
    write(`${SYSTEM}.d/10.conf`, rule('c', 'system'));
    const named = write('named.conf', rule('d', 'named'));
    expect(await locations({ CONTAINERS_REGISTRIES_CONF: named })).toEqual({
      c: 'system',
      d: 'named',
    });
    const missing = { CONTAINERS_REGISTRIES_CONF: join(directory, 'missing') };
    await expect(locations(missing)).rejects.toMatchObject({ code: 'E_SOURCE' });
  });

  it.each([
    ['no TOML', '[[registry', 'E_FORMAT'],
    ['another type', 'registry = "x"', 'E_FORMAT'],
    ['nothing in a rule', '[[registry]]\ninsecure = true', 'E_FORMAT'],
    ['a scheme', '[[registry]]\nlocation = "https://r.example"', 'E_FORMAT'],
    ['a star in the middle', '[[registry]]\nprefix = "a.*.example"\nlocation = "x"', 'E_FORMAT'],
    ['a star and a path', '[[registry]]\nprefix = "*.example/x"\nlocation = "x"', 'E_FORMAT'],
    [
      'an unknown word',
      '[[registry]]\nlocation = "r"\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "never"',
      'E_FORMAT',
    ],
    [
      'both ways to limit mirrors',
      '[[registry]]\nlocation = "r"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "m"\npull-from-mirror = "all"',
      'E_FORMAT',
    ],
    ['version 1', '[registries.block]\nregistries = ["r.example"]', 'E_UNSUPPORTED'],
    ['too much', `#${' '.repeat(1024 * 1024)}`, 'E_FORMAT'],
  ])('with %s are refused', async (_what, text, code) => {
    const file = write(USER, text);
    await expect(rules()).rejects.toMatchObject({
      code,
      message: expect.stringMatching(new RegExp(`^reading ${file}: [^\n]+$`)),
    });
  });

  it.each([
    'm.local:port',
    '-m.local',
    'm.local/UP',
    'm.local/../x',
    'm local',
    'm.local?x=',
    'u@m.local',
  ])('with the place %j are refused where it is used', async (location) => {
    write(
      USER,
      `[[registry]]\nlocation = "r.example"\n[[registry.mirror]]\nlocation = "${location}"\n`,
    );
    await expect(places('r.example/x')).rejects.toMatchObject({ code: 'E_FORMAT' });
  });

  it('may not put another tag in the place of one', async () => {
    write(USER, '[[registry]]\nprefix = "r.example/x:v1"\nlocation = "r.example/x:v2"\n');
    await expect(places('r.example/x', { tag: 'v1' })).rejects.toMatchObject({ code: 'E_FORMAT' });
    expect(await places('r.example/x', { tag: 'v2' })).toEqual(['r.example/x']);
  });

  it('are read once, when they are needed', async () => {
    const file = write(USER, rule('r.example', 'first.local'));
    const source = mirrorSource({ HOME: join(directory, 'home') });
    const reference = { host: 'r.example', repository: 'x', tag: 'latest' };
    expect(await source(reference)).toMatchObject([{ host: 'first.local' }]);
    writeFileSync(file, 'broken [');
    expect(await source(reference)).toMatchObject([{ host: 'first.local' }]);
  });
});
