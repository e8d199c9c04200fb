/* SPDX-License-Identifier: Apache-2.0
 * The container's root as a mount, and the step into it. */
#ifndef RUNDLE_ROOTFS_H
#define RUNDLE_ROOTFS_H

#include <stdbool.h>

#include "fault.h"
#include "served_payload.h"

/* Make the current working directory, whose name in its parent is the last component of `path`, a mount of
 * its own, without set-id bits and devices. This must have been the working directory since before the mount
 * namespace was entered. Returns its root as an O_PATH descriptor, or -1 with a fault. */
int rootfs_bind(const char *path, struct fault *fault);

/* Make `root` the root directory of this process and its mount namespace, with nothing of the host's left,
 * and the working directory. Where the host runs from an initramfs, which cannot be pivoted away from, the
 * new root is moved over the old one. Returns 0, or -1 with a fault. */
int rootfs_enter(int root, struct fault *fault);

/* Where a payload is mounted: a tmpfs with the mount and room for what else the root needs. */
struct rootfs_payload {
	int base;
	bool user_namespace;
};

/* Mount the payload of `server` at a directory of the host that is none of the `avoided` paths and none above
 * or below one, since it is covered until rootfs_enter. Returns 0, or -1 with a fault. */
int rootfs_mount_payload(struct rootfs_payload *payload, struct served_payload *server, bool user_namespace,
                         bool owners, char *const *avoided, struct fault *fault);

/* The mounted payload as a root file system, open with O_PATH: as it is, or with `writable` under an overlay
 * whose changes live in memory (Linux 5.11 in a user namespace). What an earlier call gave is unmounted.
 * Returns -1 with a fault on failure. */
int rootfs_payload_root(const struct rootfs_payload *payload, bool writable, struct fault *fault);

#endif
