/* SPDX-License-Identifier: Apache-2.0
 * Changing the flags of a mount without losing those that the kernel has locked. */
#ifndef RUNDLE_MOUNT_ATTRIBUTES_H
#define RUNDLE_MOUNT_ATTRIBUTES_H

#include <stdbool.h>

/* On the mount whose root is open as `mount` (O_PATH will do), set and clear flags given as MS_RDONLY,
 * MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_RELATIME, MS_STRICTATIME, MS_NODIRATIME; with `recursive` on
 * the mounts below it too. Uses mount_setattr(2) (Linux 5.12), else remounts one by one. Flags that a user
 * namespace does not let one clear stay. Returns 0, or -1 with errno. */
int mount_attributes_change(int mount, bool recursive, unsigned long set, unsigned long clear);

#endif
