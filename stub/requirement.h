/* SPDX-License-Identifier: Apache-2.0
 * What a bundle needs of the host (README.md, "Requirements"). */
#ifndef RUNDLE_REQUIREMENT_H
#define RUNDLE_REQUIREMENT_H

#include <stdbool.h>

#include "fault.h"
#include "launch_config.h"
#include "options.h"

enum { REQUIREMENT_LIMIT = 1024 }; /* bytes of one requirement */

/* What the host has, for people. Both texts are one line. */
struct requirement_finding {
	bool met;
	char found[160];  /* "503 GiB", "Linux 5.10.0-28-amd64" */
	char remedy[400]; /* the way out, empty when it is met */
};

/* Compare one requirement with this host, as it is for this process now: its limits, affinity and cgroup
 * count. Every one is cheap: a few system calls or short files, no process and no device is started. Returns
 * 0 with `finding` filled, or -1 with a fault when the requirement cannot be understood, as one of a newer
 * builder. */
int requirement_check(const char *requirement, struct requirement_finding *finding, struct fault *fault);

/* What a start does with config->requirements before it changes anything: 0 when all are met, or there are
 * none, or options->ignore_requirements is set, which is then said once on standard error; else -1 with a
 * fault that names the first that is not met, what was found and the way out. */
int requirements_at_start(const struct launch_config *config, const struct options *options,
                          struct fault *fault);

#endif
