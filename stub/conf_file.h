/* SPDX-License-Identifier: Apache-2.0
 * Files given by --conf: Enroot's `#ENROOT_X=y` lines, and `env KEY=VAL` and `mount SPEC` lines. They are
 * data: nothing in them is executed, and what could only work by being executed is refused. */
#ifndef RUNDLE_CONF_FILE_H
#define RUNDLE_CONF_FILE_H

#include "fault.h"
#include "string_list.h"

struct configuration {
	struct string_list settings;    /* ENROOT_X=y */
	struct string_list environment; /* KEY=VAL or KEY; ${VAR} not substituted */
	struct string_list mounts;      /* as for --mount */
};

/* Append what the file at `path` says to `configuration`. Its strings live as long as the process. */
int conf_file_read(const char *path, struct configuration *configuration, struct fault *fault);

#endif
