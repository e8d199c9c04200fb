/* SPDX-License-Identifier: Apache-2.0
 * The container's root as a mount, and the step into it. */
#ifndef RUNDLE_ROOTFS_H
#define RUNDLE_ROOTFS_H

#include "fault.h"

/* Make the current working directory, whose name in its parent is the last component of `path`, a mount of
 * its own, without set-id bits and devices. This must have been the working directory since before the mount
 * namespace was entered. Returns its root as an O_PATH descriptor, or -1 with a fault. */
int rootfs_bind(const char *path, struct fault *fault);

/* Whether filters and security modules let this process change its root: asked with `directory`, which is no
 * mount, so that the kernel refuses by EINVAL what they would allow. Returns 0, or -1 with a fault. */
int rootfs_try(const char *directory, struct fault *fault);

/* Make `root` the root directory of this process and its mount namespace, with nothing of the host's left,
 * and the working directory. Where pivot_root is forbidden, or the host runs from an initramfs, which cannot
 * be pivoted away from, the new root is moved over the old one. Returns 0, or -1 with a fault. */
int rootfs_enter(int root, struct fault *fault);

#endif
