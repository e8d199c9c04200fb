/* SPDX-License-Identifier: Apache-2.0
 * Entering new namespaces. */
#ifndef RUNDLE_NAMESPACES_H
#define RUNDLE_NAMESPACES_H

#include <stdbool.h>

#include "fault.h"

/* Move this process into a mount namespace of its own, whose mounts do not propagate outwards. With
 * CAP_SYS_ADMIN that works as it is; otherwise, and where a container engine grants the capability only by
 * name, a user namespace comes first, in which the caller's ids stand for themselves, or 0 for them with
 * `root`. *user_namespace tells whether there is one. Needs a single thread. Returns 0, or -1 with a fault
 * and a hint that names what forbids it. */
int namespaces_enter(bool root, bool *user_namespace, struct fault *fault);

/* Move this process into a user namespace, and a mount namespace in it, in any case. The same results. */
int namespaces_enter_user(bool root, struct fault *fault);

/* Whether this process is in another user namespace than the first: then an overlay keeps its own attributes
 * as `user.overlay.*`, whatever capabilities there are. */
bool namespaces_inner(void);

struct namespace_request {
	bool pid, net, ipc, uts; /* `pid` concerns the children */
};

/* Move this process, once it has a mount namespace of its own, into the others asked for. The interface `lo`
 * of a new network namespace is up. Returns 0, or -1 with a fault. */
int namespaces_add(const struct namespace_request *request, struct fault *fault);

/* Add to `fault` why this system refuses a user namespace with `error`, and what changes that; returns -1.
 * Reads sysctls, so it explains only; whether it works has to be tried. */
int namespaces_explain(int error, struct fault *fault);

#endif
