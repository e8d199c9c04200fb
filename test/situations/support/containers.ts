import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Profile } from '../../e2e/support/profile.js';
import { changing, type Scene } from './situation.js';

/** Words that run what follows, as the profile, in a container of bubblewrap with these options. */
export const bubblewrap =
  (...options: string[]) =>
  (): readonly string[] => ['bwrap', ...options, '--'];

/** Calls that Docker's filter keeps from a container without CAP_SYS_ADMIN and that podman's allows. */
const dockerRefuses = [
  'unshare',
  'mount',
  'umount2',
  'setns',
  'pivot_root',
  'fsopen',
  'move_mount',
  'open_tree',
  'mount_setattr',
];

/** The filter as podman reads it. */
function writeFilter(scene: Scene): string {
  const path = join(scene.directory, 'filter.json');
  const syscalls = [
    { names: dockerRefuses, action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
  ];
  writeFileSync(path, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls }));
  return path;
}

/** The first process of a container takes all others along: it stays until a start has cleaned up, or 10 seconds. */
const firstProcess = `
  status=0
  "$@" || status=$?
  for wait in $(seq 200); do
    set -- "$TMPDIR"/.rundle-*
    [ -e "$1" ] || break
    sleep 0.05
  done
  exit $status`;

/**
 * Words that run what follows, which begins with the bundle's name, in a container of podman over the scene's root file system. The scene's
 * directories for temporary files are shared with it, so that what is left there is seen.
 */
export const podman =
  (...options: string[]) =>
  (scene: Scene, profile: Profile): readonly string[] => {
    const { scratch, directory } = scene;
    const environment = Object.entries(scene.environment(profile))
      .filter(([name]) => !['PATH', 'XDG_RUNTIME_DIR'].includes(name))
      .flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const filter = options.includes('docker')
      ? ['--security-opt', `seccomp=${writeFilter(scene)}`]
      : [];
    // crun refuses a machine whose control groups are those of both versions, and gives /dev/null to a container's user.
    const script = `
      umount -R /sys/fs/cgroup || :
      mount -t cgroup2 cgroup2 /sys/fs/cgroup || mount -t tmpfs tmpfs /sys/fs/cgroup
      mount -t tmpfs tmpfs /mnt
      mknod -m 0666 /mnt/null c 1 3
      mount --bind /mnt/null /dev/null`;
    return [
      ...changing(script),
      ...[
        'podman',
        '--root',
        join(directory, 'podman/root'),
        '--runroot',
        join(directory, 'podman/run'),
      ],
      ...[
        '--tmpdir',
        join(directory, 'podman/tmp'),
        '--storage-driver',
        'vfs',
        '--log-level',
        'error',
      ],
      ...[
        'run',
        '--rm',
        '--interactive',
        '--network=none',
        '--cgroups=disabled',
        '--env',
        'PATH=/bin',
      ],
      ...['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024'],
      ...['--user', `${profile.uid}:${profile.uid}`, ...environment],
      ...['--volume', `${scratch}:${scratch}`, '--volume', `${scene.bundle}:${scene.bundle}:ro`],
      ...['--volume', `${directory}/home:${directory}/home`],
      ...filter,
      ...options.filter((option) => option !== 'docker'),
      ...['--rootfs', scene.rootfs, '/bin/sh', '-c', firstProcess, 'sh'],
    ];
  };
