/* SPDX-License-Identifier: Apache-2.0
 * Where a kept tree belongs: its name in its parent directory. */
#ifndef RUNDLE_TARGET_PATH_H
#define RUNDLE_TARGET_PATH_H

#include <limits.h>
#include <stdbool.h>

#include "fault.h"

struct target_path {
	int parent;                 /* open for reading */
	char parent_path[PATH_MAX]; /* absolute, without symbolic links */
	char name[NAME_MAX + 1];
	unsigned created; /* how many parents were created, the last components of parent_path */
};

/* Split `path`, creating missing parents (0777 less the umask). Returns 0, or -1 with a fault. */
int target_path_open(struct target_path *target, const char *path, struct fault *fault);

/* Close it; parents that were created go again unless they are `used`. */
void target_path_close(struct target_path *target, bool used);

#endif
