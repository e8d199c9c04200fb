/* SPDX-License-Identifier: Apache-2.0
 * What every container has mounted: kernel file systems, /tmp, /run. */
#ifndef RUNDLE_SYSTEM_MOUNTS_H
#define RUNDLE_SYSTEM_MOUNTS_H

#include <stdbool.h>

#include "fault.h"

struct system_mounts_request {
	int root;           /* of the container, O_PATH */
	bool pid, net, ipc; /* which namespaces are new */
};

/* Mount the host's /proc, /sys and /dev with all below them, or new ones where a namespace asks for it; tmpfs
 * on /tmp (1777), /run (0755), and on /var/run and /var/lock unless they lead to /run. Returns 0, or -1 with
 * a fault. */
int system_mounts_make(const struct system_mounts_request *request, struct fault *fault);

/* See to a home directory: when `home` does not exist inside `root` it becomes an empty tmpfs (0700). Where
 * it cannot be created there is none. */
void system_mounts_home(int root, const char *home);

#endif
