import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { type Kernel, packagesOf } from './boot.js';
import { copied, type Entry, file } from './cpio.js';

/** Packages that a kernel must name for its AppArmor files. */
export const apparmorPackages = ['apparmor', 'libc6', 'libgcc-s1', 'libstdc++6'] as const;

const LIBRARIES = ['libc.so.6', 'libm.so.6', 'libstdc++.so.6', 'libgcc_s.so.1'];

/** Words for the command line of a kernel whose AppArmor is to be enforced. */
export const apparmorParameters = ['apparmor=1', 'security=apparmor'] as const;

/**
 * apparmor_parser of a kernel's own distribution as /usr/sbin/apparmor_parser, with the libraries that it is linked
 * with, and its /etc/apparmor.d.
 */
export function apparmorFiles(kernel: Kernel): Entry[] {
  const packages = packagesOf(kernel);
  // Packages made before /usr was merged have some files in /.
  const place = (path: string) =>
    [`usr/${path}`, path].find((name) => existsSync(join(packages, name)));
  const program = (path: string, target: string) => {
    const found = place(path);
    if (found === undefined) throw new Error(`the packages of ${kernel.name} have no ${path}`);
    return file(target, readFileSync(realpathSync(join(packages, found))), 0o755);
  };
  const settings = ['etc/apparmor', 'etc/apparmor.d', 'usr/share/apparmor-features'];
  return [
    program('sbin/apparmor_parser', 'usr/sbin/apparmor_parser'),
    program('lib64/ld-linux-x86-64.so.2', 'lib64/ld-linux-x86-64.so.2'),
    ...LIBRARIES.map((name) => `lib/x86_64-linux-gnu/${name}`).map((path) => program(path, path)),
    ...settings
      .filter((path) => existsSync(join(packages, path)))
      .flatMap((path) => copied(join(packages, path), path)),
  ];
}
