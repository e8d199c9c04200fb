/* SPDX-License-Identifier: Apache-2.0
 * Which processes belong to a container. */
#ifndef RUNDLE_CONTAINER_PROCESSES_H
#define RUNDLE_CONTAINER_PROCESSES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tree_lock.h"

/* By what a container's processes are known; 0 where that is not known (yet). Written by the launcher, read
 * by its cleaner. */
struct container_mark {
	_Atomic uint64_t mount_namespace, user_namespace; /* inode numbers in nsfs */
	_Atomic uint64_t root_device, root_inode;         /* of the root directory */
	char temporary[TREE_NAME_SIZE]; /* of a temporary tree, below which all that are traced have their
	                                   executable; set before there is another process */
	_Atomic bool doomed;            /* they must not outlive the launcher */
};

/* Search /proc for processes, this one excepted, that share the mount namespace, live in the user namespace
 * or a descendant of it, have the root directory, or an executable below the temporary directory. Returns 1
 * with one of them in *found, 0 when there is none, -1 when /proc cannot be read. */
int container_processes_find(const struct container_mark *mark, pid_t *found);

/* Send SIGSTOP to every thread of those processes, so that each is held that somebody traces. */
void container_processes_stop(const struct container_mark *mark);

/* Send `signal` to each of them; SIGKILL until none is left. */
void container_processes_signal(const struct container_mark *mark, int signal);

#endif
