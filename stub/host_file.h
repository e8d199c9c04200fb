/* SPDX-License-Identifier: Apache-2.0
 * A file that belongs to the host and that only root may change, nor any directory above it. */
#ifndef RUNDLE_HOST_FILE_H
#define RUNDLE_HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fault.h"

struct host_file {
	const char *directory; /* absolute */
	const char *name;      /* in it */
	const char *mark;      /* what every version of the file holds, and no other file */
	mode_t mode;
	const void *bytes; /* what it is to be */
	size_t size;
};

enum host_file_state {
	HOST_FILE_MISSING,
	HOST_FILE_OTHER, /* another version */
	HOST_FILE_SAME,
};

/* What is there now. A fault when it is not ours, or when a directory on the way is a link, or belongs to or
 * can be written by others than root. Directories that are missing are none. */
int host_file_look(const struct host_file *file, enum host_file_state *state, struct fault *fault);

/* Put the file there as a whole, in place of an older version, root's and with its mode. Directories that are
 * missing are made, 0755. */
int host_file_write(const struct host_file *file, struct fault *fault);

/* Remove it, and the last directory when that is empty and `directory` is set. No fault when it is not there.
 */
int host_file_remove(const struct host_file *file, bool directory, struct fault *fault);

#endif
