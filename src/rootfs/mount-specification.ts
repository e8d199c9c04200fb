import { RundleError } from '../errors.js';

/**
 * A mount as `--mount` takes it: `SRC:DST[:OPTIONS]`, Enroot's colon-separated fstab line
 * `SRC:DST:TYPE:OPTIONS[:FREQ[:PASSNO]]`, the same separated by blanks, or one path that is both source and destination.
 * `\:` is a colon in a name. The launcher interprets it when the bundle starts (stub/mount_spec.h); here it is only
 * checked, and understood as far as the builder needs.
 */
export interface MountSpecification {
  /** The text as given, which goes into the launch config. */
  text: string;
  /** May hold `${VAR}`. */
  source: string;
  /** Absolute path in the image, or one that begins with `${VAR}`. */
  destination: string;
  /** File system type: `none` for a bind mount. */
  type: string;
  options: string[];
  /** The fifth and sixth field of fstab(5), where given. */
  numbers: string[];
}

/** Words that a third field holds when it is a file system type and not a list of options. */
const TYPES = new Set(
  'none bind tmpfs ramfs proc sysfs devpts mqueue overlay cgroup cgroup2'.split(' '),
);

/** Parses a `--mount` value. Throws E_USAGE with what is wrong and the forms there are. */
export function parseMount(text: string): MountSpecification {
  if (/[\0\n]/.test(text)) throw wrong(text, 'holds a newline or a NUL');
  const fields = splitFields(text);
  const [source = '', destination = source, third, ...others] = fields;
  if (source === '') throw wrong(text, 'has an empty source');
  if (fields.length > 6) throw wrong(text, `has ${fields.length} fields`);
  if (!destination.startsWith('/') && !destination.startsWith('${')) {
    throw wrong(text, `has the destination "${destination}", which is not absolute`);
  }
  if (destination.split('/').includes('..')) throw wrong(text, 'has ".." in its destination');
  const typed = others.length > 0 || TYPES.has(third ?? '');
  const [options = '', ...numbers] = typed ? others : [third ?? ''];
  const notANumber = numbers.find((number) => !/^-?\d{1,9}$/.test(number));
  if (notANumber !== undefined) {
    throw wrong(text, `has "${notANumber}" where fstab(5) has a number`);
  }
  const implied = TYPES.has(source) ? source : 'none';
  const type = typed && third !== undefined && third !== '' ? third : implied;
  return {
    text,
    source,
    destination,
    type: type === 'bind' ? 'none' : type,
    options: options.split(',').filter((option) => option !== ''),
    numbers,
  };
}

/** True when `text` is only known at start, because it names a variable. */
export function namesVariable(text: string): boolean {
  return /\$\{[A-Za-z_][A-Za-z0-9_]*\}/.test(text);
}

/** What the mount point has to be, as far as the mount says it. */
export function mountPointKind(mount: MountSpecification): 'directory' | 'file' | undefined {
  if (mount.options.includes('x-create=file')) return 'file';
  if (mount.options.includes('x-create=dir') || mount.type !== 'none') return 'directory';
  return undefined;
}

/** Fields at colons, or at blanks as in fstab(5), where a blank in a name is `\040`. */
function splitFields(text: string): string[] {
  if (!isFstabLine(text)) {
    return text.split(/(?<!\\):/).map((field) => field.replaceAll('\\:', ':'));
  }
  const fields = text.trim().split(/[ \t]+/);
  return fields.map((field) =>
    field.replace(/\\([0-3][0-7]{2})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8))),
  );
}

/** The same rule as the launcher's: an fstab line has its target behind the first blank. */
function isFstabLine(text: string): boolean {
  const line = /^[ \t]*([^ \t]*)[ \t]+(\/|\$\{|none )/.exec(text);
  if (line === null) return false;
  const first = line[1] ?? '';
  return !(first.startsWith('/') && first.includes(':'));
}

function wrong(text: string, why: string): RundleError {
  return new RundleError('E_USAGE', `--mount "${text}" ${why}`, {
    hint: 'write SRC:DST, SRC:DST:OPTIONS (for example /data:/data:ro), or SRC:DST:TYPE:OPTIONS as in fstab',
  });
}
