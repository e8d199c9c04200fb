/* SPDX-License-Identifier: Apache-2.0
 * The directory of --overlay, which keeps what was changed in the root file system:
 *
 *   rundle-overlay   which bundle's payload the changes belong to; its lock is held as long as they are in
 * use upper, work      of the overlay file system (Linux Documentation/filesystems/overlayfs.rst) */
#ifndef RUNDLE_OVERLAY_DIRECTORY_H
#define RUNDLE_OVERLAY_DIRECTORY_H

#include <limits.h>
#include <sys/types.h>

#include "fault.h"
#include "launch_config.h"

struct overlay_directory {
	char path[PATH_MAX]; /* absolute */
	dev_t device;
	ino_t inode;
	int lock; /* holds the lock until all copies of this descriptor are closed */
};

/* Find or make the directory at `path` for the payload that `config` names. Returns 0, or -1 with a fault and
 * what to do: it belongs to somebody else, is in use by another container, holds changes to another payload
 * or other things. */
int overlay_directory_open(struct overlay_directory *overlay, const char *path,
                           const struct launch_config *config, struct fault *fault);

/* Open it again by its path, in the mount namespace of this process. The descriptor, or -1 with a fault. */
int overlay_directory_reopen(const struct overlay_directory *overlay, struct fault *fault);

#endif
