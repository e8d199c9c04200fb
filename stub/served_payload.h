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

#include "bundle.h"
#include "fault.h"
#include "launch_config.h"

struct served_payload {
	int channel;
	int kept; /* what the server is to hold open as long as it lives, or -1 */
};

/* Start the server for the payload that `config` names. It ends by itself when this process ends before
 * served_payload_mount. Returns 0, or -1 with a fault. */
int served_payload_start(struct served_payload *server, const struct bundle *bundle,
                         const struct launch_config *config, struct fault *fault);

/* Mount the payload read-only at `path`, in the mount namespace of this process, which may be another than
 * started the server. Everything in it belongs to this process's effective ids, or with `owners` to those
 * that the payload records. Whoever reads waits until the server answers. Returns 0, or -1 with a fault and a
 * hint: ENOENT or EACCES (/dev/fuse), EPERM (mount refused). */
int served_payload_mount(const struct served_payload *server, const char *path, bool owners,
                         struct fault *fault);

/* Wait until the server has opened the payload for a mount. Returns 0, or -1 with its fault: EIO for a
 * damaged payload. */
int served_payload_await(struct served_payload *server, struct fault *fault);

/* Give up a server without a mount, which then ends. Nothing happens after served_payload_await. */
void served_payload_close(struct served_payload *server);

#endif
