/* SPDX-License-Identifier: Apache-2.0
 * Steps of building a container, tried in a mount namespace that nothing else uses. */
#ifndef RUNDLE_MOUNT_TRIAL_H
#define RUNDLE_MOUNT_TRIAL_H

#include "fault.h"

/* All return 0, or -1 with a fault and, as the hint, what forbids it.
 *
 * Mount a tmpfs and make it the working directory, which the others need. */
int mount_trial_begin(struct fault *fault);

/* Bind a directory on itself, and /proc to another place. */
int mount_trial_bind(struct fault *fault);

/* Mount an overlay on directories of the tmpfs, create there what was not, remove what is below, and put
 * something in its place, as a writable root in tier `mount` lets a program do. */
int mount_trial_overlay(struct fault *fault);

/* Make the tmpfs the root directory. The last step: nothing of the host is left. */
int mount_trial_pivot(struct fault *fault);

/* Record what errno says of a step, and why it may be. */
int mount_trial_refused(const char *step, struct fault *fault);

#endif
