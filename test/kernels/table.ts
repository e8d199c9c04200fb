import { bookworm, bookwormArm, type Kernel, noble, trixie } from './boot.js';
import type { Session, Situation } from './situation.js';

/*
 * Kernels, and what is tried on each. test/situations/ has what can be tried on the kernel that runs the tests.
 */
const both = (tier: 'mount' | 'extract' | 'trace') => ({ root: tier, user: tier });
/** Where only users are kept from making namespaces. */
const usersTraced = { root: 'mount', user: 'trace' } as const;

/** Set a sysctl, here by its path below /proc/sys, and set it back. */
const sysctl = (path: string, value: string, usual: string) => ({
  prepare: `echo ${value} >/proc/sys/${path}`,
  undo: `echo ${usual} >/proc/sys/${path}`,
});

const plain: Situation = { name: 'as it boots', expected: both('mount') };

const noNamespaces: Situation = {
  name: 'user.max_user_namespaces is 0',
  expected: usersTraced,
  ...sysctl('user/max_user_namespaces', '0', '1000'),
};

const noDevice: Situation = {
  name: 'there is no /dev/fuse',
  expected: both('extract'),
  prepare: 'mv /dev/fuse /dev/fuse-not',
  undo: 'mv /dev/fuse-not /dev/fuse',
};

const common: Situation[] = [
  plain,
  noNamespaces,
  {
    name: "Debian's kernel.unprivileged_userns_clone is 0",
    expected: usersTraced,
    ...sysctl('kernel/unprivileged_userns_clone', '0', '1'),
  },
  noDevice,
  {
    name: 'there are neither namespaces nor /dev/fuse',
    expected: { root: 'extract', user: 'trace' },
    prepare: `${noNamespaces.prepare}; ${noDevice.prepare}`,
    undo: `${noNamespaces.undo}; ${noDevice.undo}`,
  },
  {
    name: '/tmp and /dev/shm are noexec',
    expected: both('mount'),
    prepare: 'mount -o remount,noexec /tmp; mount -o remount,noexec /dev/shm',
    undo: 'mount -o remount,exec /tmp; mount -o remount,exec /dev/shm',
  },
  {
    name: '/tmp and /dev/shm are noexec, and there are no namespaces',
    expected: usersTraced,
    prepare: `mount -o remount,noexec /tmp; mount -o remount,noexec /dev/shm; ${noNamespaces.prepare}`,
    undo: `mount -o remount,exec /tmp; mount -o remount,exec /dev/shm; ${noNamespaces.undo}`,
  },
  {
    name: 'Yama lets only ancestors trace, and there are no namespaces',
    expected: { user: 'trace' },
    prepare: `echo 1 >/proc/sys/kernel/yama/ptrace_scope; ${noNamespaces.prepare}`,
    undo: `echo 0 >/proc/sys/kernel/yama/ptrace_scope; ${noNamespaces.undo}`,
  },
  {
    name: 'Yama lets only root trace, and there are no namespaces',
    expected: { root: 'mount', user: 'none' },
    prepare: `echo 2 >/proc/sys/kernel/yama/ptrace_scope; ${noNamespaces.prepare}`,
    undo: `echo 0 >/proc/sys/kernel/yama/ptrace_scope; ${noNamespaces.undo}`,
  },
];

/** Before FUSE is loaded: udev makes the device all the same, and here nothing loads the module. */
const noModule: Situation = {
  name: 'the module for FUSE is not loaded',
  expected: both('extract'),
  prepare: '[ -e /dev/fuse ] || mknod -m 0666 /dev/fuse c 10 229',
};

const onInitramfs = (kernel: Kernel): Session => ({
  name: `${kernel.name}, with the initramfs as its root`,
  kernel,
  root: 'initramfs',
  situations: [plain, noNamespaces, noDevice],
});

/** What the tests of every change try: one boot, little in it. */
export const small: Session = {
  name: bookworm.name,
  kernel: bookworm,
  situations: [plain, { ...noNamespaces, expected: { user: 'trace' } }],
};

/** Ubuntu's restriction as its own package of AppArmor sets it up. */
const restriction = 'kernel/apparmor_restrict_unprivileged_userns';
const ubuntu: Situation[] = [
  {
    name: 'AppArmor restricts user namespaces, and no profile is loaded',
    expected: usersTraced,
    prepare: `echo 1 >/proc/sys/${restriction}`,
  },
  {
    name: 'AppArmor restricts user namespaces, as Ubuntu 24.04 does',
    expected: usersTraced,
    prepare: 'apparmor_parser -r /etc/apparmor.d/unprivileged_userns',
  },
  {
    name: 'AppArmor restricts user namespaces, and there is no /dev/fuse',
    expected: { root: 'extract', user: 'trace' },
    prepare: noDevice.prepare ?? '',
    undo: noDevice.undo ?? '',
  },
  {
    name: 'AppArmor restricts user namespaces, and the host is set up with --setup-host',
    expected: both('mount'),
    prepare: '/x.run --setup-host --yes',
    undo: '/x.run --setup-host --remove --yes',
  },
  {
    name: 'AppArmor restricts user namespaces, and the host was set up once',
    expected: usersTraced,
  },
  {
    name: 'the restriction is switched off',
    expected: both('mount'),
    prepare: `echo 0 >/proc/sys/${restriction}`,
  },
];

export const sessions: Session[] = [
  { name: bookworm.name, kernel: bookworm, situations: common },
  { name: `${bookworm.name}, without FUSE`, kernel: bookworm, modules: [], situations: [noModule] },
  onInitramfs(bookworm),
  { name: trixie.name, kernel: trixie, apparmor: true, situations: common },
  onInitramfs(trixie),
  { name: noble.name, kernel: noble, apparmor: true, situations: [...common, ...ubuntu] },
  { name: bookwormArm.name, kernel: bookwormArm, situations: [plain, noNamespaces, noDevice] },
];
