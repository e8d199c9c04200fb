/* SPDX-License-Identifier: Apache-2.0
 * The process that serves the payload to a container, for tier `mount`.
 *
 * It is started before any namespace is entered and stays outside of all of them: it holds no reference to
 * the mount, so the kernel ends the connection, and with it the server, when the last process of the
 * container is gone. It learns of the mount through descriptors of /dev/fuse that the container's side opens
 * and sends, because the kernel wants those from the user namespace that mounts. */
#ifndef RUNDLE_SERVED_PAYLOAD_H
#define RUNDLE_SERVED_PAYLOAD_H

#include <stdbool.h>
#include <sys/types.h>

#include "bundle.h"
#include "fault.h"
#include "launch_config.h"

struct served_payload {
	pid_t pid;
	int channel;
};

/* Start the server for the payload that `config` names. It ends by itself when this process ends before
 * served_payload_mount. Returns 0, or -1 with a fault. */
int served_payload_start(struct served_payload *server, const struct bundle *bundle,
                         const struct launch_config *config, struct fault *fault);

/* Mount the payload read-only at `path`, in the mount namespace of this process. Everything in it belongs to
 * this process's effective ids, or with `owners` to those that the payload records. Returns 0 when the server
 * answers, or -1 with a fault: ENOENT or EACCES (/dev/fuse), EPERM (mount refused), EIO (damaged payload). */
int served_payload_mount(struct served_payload *server, const char *path, bool owners, struct fault *fault);

#endif
