/* SPDX-License-Identifier: Apache-2.0
 * A payload that is mounted, not extracted, as the root of a container, in namespaces of its own.
 *
 * A process of its own makes the namespaces and the mount and hands them on as descriptors. So the process
 * that becomes the program enters them only once they are known to work, and can still do without. */
#ifndef RUNDLE_PAYLOAD_ROOT_H
#define RUNDLE_PAYLOAD_ROOT_H

#include <stdbool.h>
#include <sys/types.h>

#include "fault.h"
#include "overlay_directory.h"
#include "prefetch.h"
#include "served_payload.h"

struct payload_root_request {
	const struct served_payload *server;
	bool root;                  /* be user 0 inside */
	const char *const *avoided; /* paths of the host, closed by NULL, that must stay in sight */
	const char *const
	    *points;  /* mount points, closed by NULL: where one is missing an overlay has to work */
	bool overlay; /* it has to in any case */
	struct prefetch_request prefetch;
};

/* Where the payload is mounted: a tmpfs with the mount and room for what else the root needs. */
struct payload_root {
	bool user_namespace; /* there is one; without, the caller may mount as it is */
	int user, mount;     /* the namespaces; user -1 without one */
	int host, directory; /* root and working directory of the caller, as they are in `mount` */
	int base;            /* the tmpfs */
	pid_t maker;         /* the process that made it, which ends */
};

/* Make namespaces and mount the payload there, at a directory of the host that is none of the avoided paths
 * and none above or below one, since it is covered until rootfs_enter. This process then is in the user
 * namespace, if there is one, and else where it was. Needs a single thread. Returns 0, or -1 with a fault and
 * a hint of what does not work here; nothing has changed for this process then. */
int payload_root_make(const struct payload_root_request *request, struct payload_root *root,
                      struct fault *fault);

/* Enter the mount namespace, with the same root and working directory as before. Returns 0, or -1 with a
 * fault. */
int payload_root_join(const struct payload_root *root, struct fault *fault);

/* After payload_root_join: the payload as a root file system, open with O_PATH: as it is, or with `writable`
 * under an overlay (Linux 5.11 in a user namespace) whose changes live in `overlay`, or where that is NULL in
 * memory. What an earlier call gave
 * is unmounted. Returns -1 with a fault on failure. */
int payload_root_open(const struct payload_root *root, bool writable, const struct overlay_directory *overlay,
                      struct fault *fault);

/* Wait until the process that made it has ended: the program must not have it as a child. */
void payload_root_reap(const struct payload_root *root);

/* Close what payload_root_make opened. */
void payload_root_close(const struct payload_root *root);

#endif
