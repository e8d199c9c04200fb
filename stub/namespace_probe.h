/* SPDX-License-Identifier: Apache-2.0
 * Does this host let the caller build a container? Found out by doing it in a child, never from a setting. */
#ifndef RUNDLE_NAMESPACE_PROBE_H
#define RUNDLE_NAMESPACE_PROBE_H

#include <stdbool.h>

#include "fault.h"

/* What to do once the namespaces are entered. */
struct namespace_trial {
	bool overlay; /* mount an overlay and write to it, as a writable root in tier `mount` does */
	bool root;    /* build a small root file system and change to it */
};

/* Enter namespaces as a start does, and do there what `trial` says. All of it in a child process, which
 * leaves nothing behind. 0 when it worked; *user_namespace tells whether one was needed. -1 with the fault of
 * the step that failed, and what makes it work as the hint. */
int namespace_try(const struct namespace_trial *trial, bool *user_namespace, struct fault *fault);

#endif
