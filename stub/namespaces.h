/* SPDX-License-Identifier: Apache-2.0
 * Entering new namespaces. */
#ifndef RUNDLE_NAMESPACES_H
#define RUNDLE_NAMESPACES_H

#include <stdbool.h>

#include "fault.h"

struct namespace_request {
	bool root;               /* be user 0 inside */
	bool pid, net, ipc, uts; /* besides the mount namespace; `pid` concerns the children */
};

/* Move this process into a mount namespace of its own, whose mounts do not propagate outwards, and into the
 * others asked for. With CAP_SYS_ADMIN that works as it is; otherwise, and where a container engine grants
 * the capability only by name, a user namespace comes first, in which the caller's ids stand for themselves,
 * or 0 for them with `root`. *user_namespace tells whether there is one. The interface `lo` of a new network
 * namespace is up. Needs a single thread. Returns 0, or -1 with a fault and a hint that names what forbids
 * it. */
int namespaces_enter(const struct namespace_request *request, bool *user_namespace, struct fault *fault);

/* Add to `fault` why this system refuses a user namespace with `error`, and what changes that; returns -1.
 * Reads sysctls, so it explains only; whether it works has to be tried. */
int namespaces_explain(int error, struct fault *fault);

#endif
