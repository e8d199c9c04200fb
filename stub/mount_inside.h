/* SPDX-License-Identifier: Apache-2.0
 * Mounting onto paths of the container's root, while the host's paths are still there. */
#ifndef RUNDLE_MOUNT_INSIDE_H
#define RUNDLE_MOUNT_INSIDE_H

#include <stdbool.h>

#include "fault.h"
#include "path_inside.h"

/* Bind what `source` (any descriptor) is to `target` inside `root`, then set and clear flags (MS_RDONLY,
 * ...). `missing` says what to do without a target. Returns 0, or -1 with a fault that names the target. */
int mount_inside_bind(int root, int source, const char *target, enum path_missing missing, bool recursive,
                      unsigned long set, unsigned long clear, struct fault *fault);

/* Mount a new file system of `type` on `target` inside `root`. */
int mount_inside_new(int root, const char *type, const char *target, enum path_missing missing,
                     unsigned long flags, const char *data, struct fault *fault);

#endif
