/* SPDX-License-Identifier: Apache-2.0
 * The single steps that containers are made of, each tried by itself, so that the one that does not work can
 * be named. */
#ifndef RUNDLE_HOST_SURVEY_H
#define RUNDLE_HOST_SURVEY_H

#include <stdbool.h>

#include "fault.h"

enum survey_step {
	SURVEY_ENTER,          /* namespaces as a start enters them */
	SURVEY_USER_NAMESPACE, /* one of its own, also where a start needs none */
	SURVEY_NESTING,        /* two more below it */
	SURVEY_TMPFS,
	SURVEY_BIND,
	SURVEY_REMOUNT,
	SURVEY_PROC, /* a new one, in a new pid namespace */
	SURVEY_FUSE,
	SURVEY_OVERLAY,
	SURVEY_PIVOT,
	SURVEY_STEPS,
};

struct survey {
	bool user_namespace; /* a start needs one here */
	struct {
		bool tried, works;
		struct fault fault;
	} steps[SURVEY_STEPS];
};

/* Try all steps; with `root` as user 0 inside. The survey lives as long as the process. NULL with a fault
 * when there is no memory. */
const struct survey *survey_make(bool root, struct fault *fault);

#endif
