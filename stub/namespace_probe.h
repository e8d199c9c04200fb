/* SPDX-License-Identifier: Apache-2.0
 * Does this host let the caller build a container? Found out by doing it in a child, never from a setting. */
#ifndef RUNDLE_NAMESPACE_PROBE_H
#define RUNDLE_NAMESPACE_PROBE_H

#include <stdbool.h>

#include "fault.h"

/* Enter namespaces as a start does, and build a small root in them: tmpfs, bind mount, pivot_root. All of it
 * in a child process, which leaves nothing behind. 0 when it worked; *user_namespace tells whether one was
 * needed. -1 with the fault of the step that failed, and what makes it work as the hint. */
int namespace_try(bool *user_namespace, struct fault *fault);

#endif
