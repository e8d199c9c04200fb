/* SPDX-License-Identifier: Apache-2.0
 * From a tree to a container: namespaces, the root file system, what is mounted into it, privileges. */
#ifndef RUNDLE_CONTAINER_H
#define RUNDLE_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"
#include "mount_spec.h"
#include "payload_root.h"
#include "tree.h"

struct container_request {
	struct tree *tree; /* holds the root directory, or only a cleaner with `payload` */
	const struct payload_root
	    *payload;  /* the root in place of `tree->directory`; NULL in tier `extract` */
	bool root;     /* user 0 inside, with id changes accepted without effect */
	bool writable; /* the root file system */
	const struct overlay_directory
	    *overlay;            /* where changes are kept, with `payload` and `writable`; or NULL */
	bool pid, net, ipc, uts; /* namespaces of their own */
	bool mount_home, mount_cwd;
	const struct mount_spec *mounts;
	size_t mount_count;
	const char *rc;           /* host path of a script that takes the place of /etc/rc; may be NULL */
	const char *program;      /* what will be executed, for which is read ahead */
	char *const *environment; /* the program's: directories that it names are shown inside */
};

/* Mount the payload of `server` for the container that is requested; `request->payload` is not looked at.
 * With `writable` that takes an overlay too. This process then is in the user namespace, if there is one.
 * Returns 0, or -1 with a fault of what does not work here; nothing has changed for this process then. */
int container_mount_payload(const struct container_request *request, const struct served_payload *server,
                            struct payload_root *payload, struct fault *fault);

/* Make this process a process of the container, with the working directory `/`. Needs a single thread.
 *
 * Without `pid` it is this very process that goes on. With `pid` a child does, as pid 1 of the new pid
 * namespace; this process stays behind as its parent, passes signals on and ends as the program ends, so the
 * function returns in the child only.
 *
 * Returns 0, or -1 with a fault that names the step and the way out; the process must not go on then. */
int container_enter(const struct container_request *request, struct fault *fault);

#endif
