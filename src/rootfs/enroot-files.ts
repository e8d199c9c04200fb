import type { ImageConfig } from '../oci/config.js';
import { quoteForShell } from '../template/quote.js';
import { type ByteString, fromText } from '../tree/byte-string.js';
import type { Omission } from '../tree/node.js';
import type { MountSpecification } from './mount-specification.js';

/**
 * The three files that make a root file system an Enroot image: how it is started, with which environment, and
 * what is mounted (NVIDIA/enroot doc/image-format.md). With them a kept tree also starts under Enroot. The
 * launcher itself reads the launch config, so that an image without a shell starts too.
 */

/** A name that Enroot, and every shell, takes for an environment variable. */
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** `/etc/rc`: labels as comments, then the working directory, `/etc/rc.local`, and the entrypoint or the command. */
export function renderRc(config: ImageConfig): ByteString {
  const labels = Object.entries(config.labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => fromText(`# ${withoutControls(key)} ${withoutControls(value)}`));
  const quote = (word: string) => quoteForShell(fromText(word));
  const directory = quote(config.workingDir);
  const entrypoint = (config.entrypoint ?? []).map(quote);
  const cmd = (config.cmd ?? []).map(quote);
  const standard = [...entrypoint, ...cmd];
  return [
    '#!/bin/sh',
    ...labels,
    '',
    `mkdir -p -- ${directory} 2>/dev/null`,
    `cd -- ${directory} || exit 1`,
    'unset OLDPWD',
    '',
    '[ ! -s /etc/rc.local ] || . /etc/rc.local',
    '',
    `[ $# -eq 0 ] || ${['exec', ...entrypoint, '"$@"'].join(' ')}`,
    `exec ${(standard.length === 0 ? ['/bin/sh'] : standard).join(' ')}`,
    '',
  ].join('\n') as ByteString;
}

/**
 * `/etc/environment`: one `KEY=VALUE` a line, unquoted. A variable that a line cannot hold is left out there (the
 * bundle's own start still sets it) and reported, so that its value cannot become another variable.
 */
export function renderEnvironment(env: readonly string[]): { text: string; omissions: Omission[] } {
  const lines: string[] = [];
  const omissions: Omission[] = [];
  for (const entry of env) {
    const key = entry.slice(0, entry.indexOf('='));
    if (VARIABLE_NAME.test(key) && !/[\n\r]/.test(entry)) {
      lines.push(`${entry}\n`);
    } else {
      omissions.push({
        path: fromText('etc/environment'),
        what: `variable ${withoutControls(key)}, which a line cannot hold (set by the bundle itself all the same)`,
      });
    }
  }
  return { text: lines.join(''), omissions };
}

/**
 * `/etc/fstab`: each volume of the image as a writable bind mount of itself, as Enroot's import writes it, then the
 * mounts baked in by `--mount`. `${ENROOT_ROOTFS}` and other variables are substituted by Enroot at start.
 */
export function renderFstab(
  volumes: readonly string[],
  mounts: readonly MountSpecification[],
): string {
  const lines = volumes.map((volume) => {
    const path = fstabField(volume);
    return `\${ENROOT_ROOTFS}${path} ${path} none x-create=dir,bind,rw,nosuid,nodev\n`;
  });
  for (const mount of mounts) {
    const { source, destination, type, numbers } = mount;
    const fields = [source, destination, type, fstabOptions(mount), ...numbers];
    lines.push(`${fields.map(fstabField).join(' ')}\n`);
  }
  return lines.join('');
}

/** The volumes that are a path one can mount on: absolute, not the root, without `..`. */
export function usableVolumes(volumes: readonly string[]): {
  usable: string[];
  omissions: Omission[];
} {
  const usable: string[] = [];
  const omissions: Omission[] = [];
  for (const volume of volumes) {
    const names = volume.split('/').filter((name) => name !== '' && name !== '.');
    if (volume.startsWith('/') && names.length > 0 && !names.includes('..') && !/\0/.test(volume)) {
      usable.push(`/${names.join('/')}`);
    } else {
      omissions.push({
        path: fromText(withoutControls(volume)) as ByteString,
        what: 'volume that is not an absolute path',
      });
    }
  }
  return { usable, omissions };
}

function fstabOptions(mount: MountSpecification): string {
  const options = [...mount.options];
  if (mount.type === 'none') {
    const binds = options.some((option) =>
      ['bind', 'rbind', 'remount', 'x-move', 'x-detach'].includes(option),
    );
    if (!binds) options.unshift('rbind');
    if (!options.some((option) => option.startsWith('x-create='))) options.unshift('x-create=auto');
  } else if (!options.some((option) => option.startsWith('x-create='))) {
    options.unshift('x-create=dir');
  }
  return options.join(',');
}

/** A field of fstab(5): white space, `\` and `#` as octal escapes, which getmntent(3) undoes. */
function fstabField(text: string): string {
  return text.replace(
    /[\s\\#]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}

function withoutControls(text: string): string {
  return Array.from(text, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 || code === 0x7f ? ' ' : character;
  }).join('');
}
