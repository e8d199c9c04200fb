/* SPDX-License-Identifier: Apache-2.0
 * Which program starts inside, and its start: the last step of the launcher. */
#ifndef RUNDLE_PROGRAM_H
#define RUNDLE_PROGRAM_H

#include "fault.h"
#include "launch_config.h"
#include "options.h"

enum { STATUS_LAUNCHER = 125, STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127 };

struct program {
	struct string_list arguments; /* at least one; its vector is closed by NULL */
	const char *directory;        /* working directory inside, absolute */
	bool rc;                      /* arguments[0] is /etc/rc */
};

/* Choose the program as the image, the options and the operands say:
 *   --no-entrypoint           COMMAND ARG..., else /bin/sh
 *   --rc, or rc in the image  /etc/rc with COMMAND ARG... as arguments
 *   otherwise                 entrypoint, then COMMAND ARG..., or the image's cmd when there is none; else
 * /bin/sh `caller_directory` is where the user stands, NULL when that is not shown inside. Fails only without
 * memory. */
int program_choose(struct program *program, const struct launch_config *config, const struct options *options,
                   const char *caller_directory, struct fault *fault);

/* Enter the working directory, which is created when it is missing and may be, and replace this process by
 * the program, found through PATH of `environment`. Returns only on failure: the exit status (125, 126, 127)
 * with a fault that names the file and tells a missing interpreter from a missing program. */
int program_execute(const struct program *program, char *const *environment, struct fault *fault);

#endif
