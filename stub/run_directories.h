/* SPDX-License-Identifier: Apache-2.0
 * Directories of the host through which the program talks to whoever started it. */
#ifndef RUNDLE_RUN_DIRECTORIES_H
#define RUNDLE_RUN_DIRECTORIES_H

#include <limits.h>
#include <stdbool.h>

/* Bind into `root`, at the same paths, the directories that certain variables of `environment` name, such as
 * a PMIx server's in PMIX_SERVER_TMPDIR: the container's own /tmp and /run would hide them. A directory of
 * the first level, such as /tmp itself, is not bound. What does not exist or cannot be bound is left out, as
 * the program may well do without. */
void run_directories_bind(int root, char *const *environment);

/* The next one of them from *environment on, which moves behind its variable; false past the last one. */
bool run_directories_next(char *const **environment, char directory[PATH_MAX]);

#endif
