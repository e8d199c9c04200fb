/**
 * Shell commands that make a device directory of its own, with what every system has there but for /dev/fuse, and what
 * `more` puts below /mnt. For a mount namespace of its own.
 */
export const privateDevices = (more: string) => `
  mount -t tmpfs -o mode=0755 tmpfs /mnt
  for name in null zero full random urandom tty; do
    touch /mnt/$name
    mount --bind /dev/$name /mnt/$name
  done
  mkdir -m 1777 /mnt/shm /mnt/pts /mnt/mqueue
  mount --bind /dev/shm /mnt/shm
  ${more}
  mount --rbind /mnt /dev`;

/** To be put there by `more`: the host's own /dev/fuse. */
export const hostFuse = 'touch /mnt/fuse; mount --bind /dev/fuse /mnt/fuse;';
