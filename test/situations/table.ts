import { privateDevices } from '../e2e/support/devices.js';
import type { Profile } from '../e2e/support/profile.js';
import type { Promised } from './support/agreement.js';
import { bubblewrap, podman } from './support/containers.js';
import { changing, limiting, refusing, type Scene, type Situation } from './support/situation.js';

/*
 * The situations that a bundle is tried in on this kernel, and what comes of them.
 * test/kernels/ has those that need another kernel.
 */
const EPERM = 1;
const ENXIO = 6;
const EACCES = 13;
const EINVAL = 22;
const ENOSPC = 28;
const ENOSYS = 38;

const both = (tier: Promised) => ({ root: tier, user: tier });

const plain: Situation[] = [
  { name: 'nothing is forbidden', expected: both('mount') },
  {
    name: 'the home is read-only',
    expected: both('mount'),
    outside: (scene) => {
      const home = `${scene.directory}/home`;
      return changing('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift', home);
    },
  },
];

/** A device directory without what it is not given. */
const devices = (more: string) => changing(privateDevices(more));

const fuse: Situation[] = [
  { name: 'there is no /dev/fuse', expected: both('extract'), outside: () => devices('') },
  {
    name: '/dev/fuse is closed to users',
    expected: { root: 'mount', user: 'extract' },
    outside: () => devices('mknod -m 0600 /mnt/fuse c 10 229'),
  },
  {
    name: '/dev/fuse has no driver',
    expected: both('extract'),
    outside: () => devices('mknod -m 0666 /mnt/fuse c 60 229'),
  },
  ...[EPERM, ENXIO].map((error) => ({
    name: `opening /dev/fuse fails with ${error}`,
    expected: both('extract'),
    outside: refusing(`write:/dev/fuse=${error}`),
  })),
];

const calls: Situation[] = [
  ...[EPERM, ENOSPC, EINVAL, ENOSYS].map((error) => ({
    name: `unshare fails with ${error}`,
    expected: both('trace'),
    outside: refusing(`unshare=${error}`),
  })),
  ...[EPERM, EACCES].map((error) => ({
    name: `unshare succeeds, and mapping ids fails with ${error}, as on Ubuntu 24.04`,
    expected: { root: 'mount', user: 'trace' } as const,
    outside: refusing(
      ...['uid_map', 'gid_map', 'setgroups'].map((name) => `write:*/${name}=${error}`),
    ),
  })),
  ...[EPERM, EACCES].map((error) => ({
    name: `unshare succeeds, and mounting fails with ${error}, as on Ubuntu 23.10`,
    expected: both('trace'),
    outside: refusing(`mount=${error}`),
  })),
  ...[EPERM, EACCES].map((error) => ({
    name: `pivot_root fails with ${error}`,
    expected: both('mount'),
    outside: refusing(`pivot_root=${error}`),
  })),
  {
    name: 'pivot_root fails as on an initramfs',
    expected: both('mount'),
    outside: refusing(`pivot_root=${EINVAL}`),
  },
  ...[EPERM, ENOSYS].map((error) => ({
    name: `memfd_create fails with ${error}`,
    expected: both('mount'),
    outside: refusing(`memfd_create=${error}`),
  })),
  {
    name: 'memfd_create and unshare fail',
    expected: both('trace'),
    outside: refusing(`memfd_create=${ENOSYS}`, `unshare=${EPERM}`),
  },
  { name: 'ptrace fails', expected: both('mount'), outside: refusing(`ptrace=${EPERM}`) },
  {
    name: 'ptrace and unshare fail',
    expected: both('none'),
    outside: refusing(`ptrace=${EPERM}`, `unshare=${EPERM}`),
  },
  { name: 'seccomp fails', expected: both('mount'), outside: refusing(`seccomp=${EINVAL}`) },
  {
    name: '/proc is read-only',
    expected: { root: 'mount', user: 'trace' },
    outside: () => changing('mount -o remount,bind,ro /proc'),
  },
  {
    name: 'no user namespace may be made',
    expected: { root: 'mount', user: 'trace' },
    outside: limiting('max_user_namespaces'),
  },
  {
    name: 'no mount namespace may be made',
    expected: both('trace'),
    outside: limiting('max_mnt_namespaces'),
  },
];

/** Words that mount noexec all directories that could hold the launcher, except some. */
function noexec(scene: Scene, profile: Profile, except: readonly string[]): readonly string[] {
  const options = [['tools', scene.tools], ...Object.entries(scene.candidates(profile))]
    .map(([name = '', path = '']) => [
      path,
      ['tools', ...except].includes(name) ? 'exec' : 'noexec',
    ])
    // The scene lies below one of them, which so comes first.
    .sort(([a = ''], [b = '']) => a.length - b.length);
  const script = `
    count=$1
    shift
    while [ "$count" -gt 0 ]; do
      mount --bind "$1" "$1"
      mount -o "remount,bind,$2" "$1"
      shift 2
      count=$((count - 1))
    done`;
  return changing(script, String(options.length), ...options.flat());
}

/** Words that leave \`size\` bytes in all directories that could hold the launcher, except the bundle's, which is read-only. */
function full(scene: Scene, profile: Profile, size: number): readonly string[] {
  const { "the bundle's directory": bundle = '', ...others } = scene.candidates(profile);
  const paths = Object.values(others).filter((path) => path !== '/tmp');
  const script = `
    scene=$1 bundle=$2 size=$3 count=$4 owner=$5
    shift 5
    mount --bind "$scene" /mnt
    mount -t tmpfs -o "mode=1777,size=$size" tmpfs /tmp
    mkdir "$scene"
    mount --bind /mnt "$scene"
    mount --bind "$bundle" "$bundle"
    mount -o remount,bind,ro "$bundle"
    while [ "$count" -gt 0 ]; do
      mount -t tmpfs -o "mode=0700,uid=$owner,size=$size" tmpfs "$1"
      shift
      count=$((count - 1))
    done`;
  return changing(
    script,
    ...[scene.directory, bundle, String(size), String(paths.length), String(profile.uid)],
    ...paths,
  );
}

const names = [
  'TMPDIR',
  'XDG_RUNTIME_DIR',
  '/dev/shm',
  '/tmp',
  '/var/tmp',
  '~/.cache',
  "the bundle's directory",
  'the current directory',
];
const shell = ['sh'];
/** Room for a launcher, but for no tree. */
const LITTLE = 1_000_000;

const directories: Situation[] = [
  ...names.map((name) => ({
    name: `only ${name} can execute`,
    expected: both('mount'),
    outside: (scene: Scene, profile: Profile) => noexec(scene, profile, [name]),
    shell,
  })),
  ...names.map((name) => ({
    name: `only ${name} can execute, and unshare fails`,
    expected: { user: 'trace' } as const,
    outside: (scene: Scene, profile: Profile) => [
      ...noexec(scene, profile, [name]),
      ...refusing(`unshare=${EPERM}`)(scene),
    ],
    shell,
  })),
  {
    name: 'no directory can execute',
    expected: both('nowhere'),
    outside: (scene, profile) => noexec(scene, profile, []),
    shell,
  },
  {
    name: 'a policy lets nothing be executed in memory nor in /tmp',
    expected: both('mount'),
    outside: refusing(
      `execve:/tmp/.*=${EACCES}`,
      `execve:/dev/shm/*=${EACCES}`,
      `execve:*/scratch/*=${EPERM}`,
    ),
  },
  {
    name: 'all disks are full',
    expected: both('nowhere'),
    outside: (scene, profile) => full(scene, profile, 4096),
  },
  {
    name: 'all disks are full but for the launcher',
    expected: both('mount'),
    outside: (scene, profile) => full(scene, profile, LITTLE),
  },
  {
    name: 'all disks are full but for the launcher, and there is no /dev/fuse',
    expected: both('none'),
    outside: (scene, profile) => [...devices(''), ...full(scene, profile, LITTLE)],
  },
  {
    name: 'all disks are full but for the launcher, and unshare fails',
    expected: both('none'),
    outside: (scene, profile) => [
      ...full(scene, profile, LITTLE),
      ...refusing(`unshare=${EPERM}`)(scene),
    ],
  },
];

/** The host's file system, with devices as bubblewrap makes them: without /dev/fuse. */
const wrapped = ['--bind', '/', '/', '--dev', '/dev', '--proc', '/proc'];

const containers: Situation[] = [
  {
    name: "a container of bubblewrap with the host's devices",
    expected: both('mount'),
    inside: bubblewrap('--dev-bind', '/', '/', '--unshare-user'),
  },
  {
    name: 'a container of bubblewrap',
    expected: both('extract'),
    inside: bubblewrap(...wrapped, '--unshare-all'),
  },
  {
    name: 'a container of bubblewrap that forbids more user namespaces',
    // Root keeps its capabilities and needs none.
    expected: { root: 'extract', user: 'trace' },
    inside: bubblewrap(...wrapped, '--unshare-user', '--disable-userns'),
  },
  {
    name: 'a container of podman',
    expected: both('extract'),
    outside: podman(),
    switches: true,
  },
  {
    name: 'a container of podman with /dev/fuse',
    expected: both('mount'),
    outside: podman('--device', '/dev/fuse'),
    switches: true,
  },
  {
    name: 'a container of podman with other users, as without root',
    expected: both('extract'),
    outside: podman('--uidmap', '0:100000:65536', '--gidmap', '0:100000:65536'),
    switches: true,
  },
  {
    name: 'a container of podman, privileged',
    expected: both('mount'),
    outside: podman('--privileged'),
    switches: true,
  },
  {
    name: "a container of podman with Docker's filter, read-only",
    expected: both('trace'),
    outside: podman('docker', '--read-only'),
    switches: true,
  },
];

export const groups = { plain, fuse, calls, directories, containers };
