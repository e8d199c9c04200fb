/* SPDX-License-Identifier: Apache-2.0
 * What the kernel says of the mounts of this process: proc_pid_mountinfo(5). */
#ifndef RUNDLE_MOUNT_TABLE_H
#define RUNDLE_MOUNT_TABLE_H

#include <stdbool.h>

struct mount_line {
	long id, parent; /* of the mount, and of the one that it is mounted on */
	char *point;     /* where, as this process names it */
};

/* Read a line of /proc/self/mountinfo. The mount point is unescaped in place and ended by a NUL, what follows
 * it is lost. False when the line is none. */
bool mount_line_read(struct mount_line *mount, char *line);

/* The id of the mount that `descriptor` is on (Linux 3.15), -1 when it cannot be told. */
long mount_id(int descriptor);

#endif
