/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUNDLE_FUSE_DEVICE_H
#define RUNDLE_FUSE_DEVICE_H

#include "fault.h"

/* Open /dev/fuse for a connection of its own. Returns the descriptor, or -1 with errno, a fault (ENOENT,
 * EACCES, ENXIO, ...) and what makes it work. */
int fuse_device_open(struct fault *fault);

#endif
