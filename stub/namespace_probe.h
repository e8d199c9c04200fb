/* SPDX-License-Identifier: Apache-2.0
 * Does this host let the caller build a container? Found out by doing it in a child, never from a setting. */
#ifndef RUNDLE_NAMESPACE_PROBE_H
#define RUNDLE_NAMESPACE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"

/* The steps of the trial, in order. */
enum namespace_step {
	STEP_USER_NAMESPACE,
	STEP_ID_MAPS,
	STEP_MOUNT_NAMESPACE,
	STEP_TMPFS,
	STEP_BIND,
	STEP_PIVOT_ROOT,
	STEP_NONE,
};

struct namespace_trial {
	bool privileged;            /* mounts are allowed without a user namespace */
	enum namespace_step failed; /* STEP_NONE when all went well */
	int error;                  /* errno of the step that failed */
};

/* Build a small root in new namespaces in a child process, which leaves nothing behind. -1 with a fault only
 * when the trial itself could not be made. */
int namespace_try(struct namespace_trial *trial, struct fault *fault);

/* What the step that failed was doing. */
const char *namespace_step_name(enum namespace_step step);

/* The command or the change that makes the failed step work, as lines in `text`, which is emptied first;
 * reads the host's settings to find out. `launcher` is a command that prints the launcher's bytes. */
void namespace_remedy(const struct namespace_trial *trial, const char *launcher, char *text, size_t size);

#endif
