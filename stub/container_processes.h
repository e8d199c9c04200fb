/* SPDX-License-Identifier: Apache-2.0
 * Which processes belong to a container. */
#ifndef RUNDLE_CONTAINER_PROCESSES_H
#define RUNDLE_CONTAINER_PROCESSES_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* By what a container's processes are known; 0 where that is not known (yet). Written by the launcher, read
 * by its cleaner. */
struct container_mark {
	_Atomic uint64_t mount_namespace, user_namespace; /* inode numbers in nsfs */
	_Atomic uint64_t root_device, root_inode;         /* of the root directory */
};

/* Search /proc for processes, this one excepted, that share the mount namespace, live in the user namespace
 * or a descendant of it, or have the root directory. Returns 1 with one of them in *found, 0 when there is
 * none, -1 when /proc cannot be read. */
int container_processes_find(const struct container_mark *mark, pid_t *found);

#endif
