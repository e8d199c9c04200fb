/* SPDX-License-Identifier: Apache-2.0
 * What a traced program sees: PRoot's bindings in place of mounts. */
#ifndef RUNDLE_TRACE_LAYOUT_H
#define RUNDLE_TRACE_LAYOUT_H

#include <limits.h>

#include "fault.h"
#include "start.h"

/* Directory of the private directory for what belongs to PRoot; relative paths in bindings start at the
 * private directory. */
#define TRACE_DIRECTORY "trace"

struct trace_layout {
	const struct start *start;
	int directory;              /* the private one */
	int ruleset;                /* Landlock's, -1 without */
	unsigned files;             /* made so far */
	struct string_list targets; /* of the bindings */
	struct string_list bindings;
	const char *inside; /* where the launcher's copy is, for the program's first instant */
};

/* Make the private directories and files, and the bindings that show them, the host's and the user's. The
 * tree is start->tree. Returns 0, or -1 with a fault that names what cannot be had without mounts. */
int trace_layout_make(struct trace_layout *layout, struct fault *fault);

#endif
