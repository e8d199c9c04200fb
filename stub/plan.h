/* SPDX-License-Identifier: Apache-2.0
 * Everything a start needs to know, settled before anything is done: a mistake must not cost an extraction.
 */
#ifndef RUNDLE_PLAN_H
#define RUNDLE_PLAN_H

#include <stddef.h>

#include "container.h"
#include "fault.h"
#include "launch_config.h"
#include "options.h"
#include "program.h"

struct plan {
	struct program program;
	struct mount_spec *mounts; /* later ones cover earlier ones: baked in, configured, given */
	size_t mount_count;
	char **environment; /* the program's, closed by NULL */
	const char *target; /* where the tree is kept, NULL for a temporary one */
};

/* Fill `plan` from what the bundle, the configuration files, the ENROOT_* settings and the command line say.
 * The switches that settings, files and the bundle turn on are turned on in `options` too. Faults name the
 * option, the file and line, or the value that is not understood. The plan lives as long as the process. */
int plan_make(struct plan *plan, const struct launch_config *config, struct options *options,
              struct fault *fault);

#endif
