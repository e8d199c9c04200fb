/* SPDX-License-Identifier: Apache-2.0
 * A /dev of the container's own, filled from the host's. */
#ifndef RUNDLE_DEVICE_DIRECTORY_H
#define RUNDLE_DEVICE_DIRECTORY_H

#include "fault.h"

/* Mount a tmpfs on /dev inside `root` and show there what the host's /dev has, virtual consoles excepted, and
 * the empty directories shm and mqueue. For hosts whose /dev lacks a mount point and is not ours to change.
 * Returns 0, or -1 with a fault; a single device that cannot be shown is left out. */
int device_directory_make(int root, struct fault *fault);

#endif
