/* SPDX-License-Identifier: Apache-2.0
 * Mounts that the user or the image asks for. */
#ifndef RUNDLE_USER_MOUNTS_H
#define RUNDLE_USER_MOUNTS_H

#include <stddef.h>

#include "fault.h"
#include "mount_spec.h"

/* Make the `count` mounts in `root`, in order: sources are the host's, targets are resolved in the root. A
 * missing source is a fault that names it, unless the mount has `nofail`: then what goes wrong is said in one
 * line, or not at all with `silent`. Returns 0, or -1 with a fault. */
int user_mounts_make(int root, const struct mount_spec *mounts, size_t count, struct fault *fault);

/* Bind the directory `source` of the host, with all below it, at `target`. */
int user_mounts_directory(int root, const char *source, const char *target, struct fault *fault);

#endif
