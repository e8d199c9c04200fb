import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyImageConfig, type ImageConfig } from '#rundle/oci/config.js';
import {
  renderEnvironment,
  renderFstab,
  renderRc,
  usableVolumes,
} from '#rundle/rootfs/enroot-files.js';
import { parseMount } from '#rundle/rootfs/mount-specification.js';
import { toBytes } from '#rundle/tree/byte-string.js';

const empty = emptyImageConfig({ os: 'linux', architecture: 'amd64' });
let scratch = '';
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rundle-enroot-'));
});
afterAll(() => rmSync(scratch, { recursive: true }));

/** What the rc of `config` executes, as arguments of a program that prints them. */
function runRc(
  config: Partial<ImageConfig>,
  args: string[] = [],
  shell: string[] = ['sh'],
): string {
  const rc = join(scratch, 'rc');
  writeFileSync(rc, toBytes(renderRc({ ...empty, workingDir: scratch, ...config })));
  const [program = '', ...options] = shell;
  return execFileSync(program, [...options, rc, ...args], { encoding: 'utf8' });
}

const show = ['/usr/bin/printf', '<%s>'];
const shells = [['dash'], ['bash'], ['busybox', 'sh'], ['mksh']];

describe('renderRc', () => {
  it.each(shells)('starts the right thing in %s', (...shell) => {
    const entrypoint = [...show, "a'b"];
    const cmd = ['$(id)', 'two words', '', 'Zeile\nzwei'];
    expect(runRc({ entrypoint, cmd }, [], shell)).toBe("<a'b><$(id)><two words><><Zeile\nzwei>");
    expect(runRc({ entrypoint, cmd }, ['x y', '*'], shell)).toBe("<a'b><x y><*>");
    expect(runRc({ cmd: [...show, 'c'] }, [], shell)).toBe('<c>');
    expect(runRc({ cmd: ['false'] }, [...show, 'mine'], shell)).toBe('<mine>');
  });

  it('starts a shell when the image says nothing', () => {
    expect(runRc({}, ['echo', 'hello'])).toBe('hello\n');
    expect(toBytes(renderRc(empty)).toString()).toMatch(/^exec \/bin\/sh$/m);
  });

  it('makes and enters the working directory, whatever it is called', () => {
    const workingDir = join(scratch, '-a \'b\' "$(touch x)" ä');
    expect(runRc({ workingDir, cmd: ['pwd'] })).toBe(`${workingDir}\n`);
  });

  it('has labels as comments that cannot end', () => {
    const labels = { 'a\nid >&2; exit 7': 'x\ny\r\u0000z\necho pwned', "it's": '`id` $(id) \\' };
    expect(runRc({ labels, cmd: ['echo', 'ok'] })).toBe('ok\n');
    const comments = toBytes(renderRc({ ...empty, labels }))
      .toString()
      .split('\n')
      .slice(1, 3);
    expect(comments).toEqual(['# a id >&2; exit 7 x y  z echo pwned', "# it's `id` $(id) \\"]);
  });

  it('passes on any argument unchanged', () => {
    const word = fc
      .string({ unit: 'binary', maxLength: 12 })
      .filter((text) => !/[\0\p{Surrogate}]/u.test(text));
    fc.assert(
      fc.property(fc.array(word, { maxLength: 4 }), (words) => {
        const printed = runRc({ cmd: ['/usr/bin/printf', '%s\\0', 'first', ...words] });
        expect(printed.split('\0').slice(1, -1)).toEqual(words);
      }),
      { numRuns: 40 },
    );
  });
});

describe('renderEnvironment', () => {
  it('writes a variable a line', () => {
    const env = ['PATH=/bin:/usr/bin', 'QUOTED="a b"', 'EMPTY=', 'EQ=a=b'];
    expect(renderEnvironment(env)).toEqual({ text: `${env.join('\n')}\n`, omissions: [] });
  });

  it('leaves out what would become another variable, and says so', () => {
    const { text, omissions } = renderEnvironment([
      'A=1',
      'B=x\nLD_PRELOAD=/evil',
      'a b=1',
      'C=2\rD=3',
    ]);
    expect(text).toBe('A=1\n');
    expect(omissions.map(({ path, what }) => `${path}: ${what.split(',')[0]}`)).toEqual([
      'etc/environment: variable B',
      'etc/environment: variable a b',
      'etc/environment: variable C',
    ]);
  });
});

describe('renderFstab', () => {
  it('writes volumes as Enroot does, and mounts with what Enroot needs', () => {
    const mounts = [
      '/data',
      '/a b:/c:ro',
      'tmpfs:/scratch:size=1g',
      '/x:/y:none:x-create=file,bind:0:-1',
    ];
    expect(renderFstab(['/var/lib/x', '/with space'], mounts.map(parseMount)).split('\n')).toEqual([
      '${ENROOT_ROOTFS}/var/lib/x /var/lib/x none x-create=dir,bind,rw,nosuid,nodev',
      '${ENROOT_ROOTFS}/with\\040space /with\\040space none x-create=dir,bind,rw,nosuid,nodev',
      '/data /data none x-create=auto,rbind',
      '/a\\040b /c none x-create=auto,rbind,ro',
      'tmpfs /scratch tmpfs x-create=dir,size=1g',
      '/x /y none x-create=file,bind 0 -1',
      '',
    ]);
  });

  it('cannot be made to hold another line', () => {
    expect(renderFstab(['/a\n/dev/sda1 / ext4', '/#b\t\\'], []).split('\n')).toHaveLength(3);
  });

  it('takes no volume that is no path to mount on', () => {
    const { usable, omissions } = usableVolumes(['/data/', '/', 'rel', '/a/../..', '/b//c', '']);
    expect(usable).toEqual(['/data', '/b/c']);
    expect(omissions.map(({ path }) => path)).toEqual(['/', 'rel', '/a/../..', '']);
  });
});
