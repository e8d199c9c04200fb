/* SPDX-License-Identifier: Apache-2.0
 * Linux capabilities of this process, capabilities(7). */
#ifndef RUNDLE_CAPABILITY_H
#define RUNDLE_CAPABILITY_H

#include <stdbool.h>

#include "fault.h"

enum { CAPABILITY_CHOWN = 0, CAPABILITY_SYS_ADMIN = 21 };

/* Whether `capability` is effective in this process's user namespace. */
bool capability_effective(unsigned capability);

/* Give up every capability for good: effective, permitted, inheritable, ambient and the bounding set, so that
 * not even a program started as user 0 regains one. Returns 0, or -1 with a fault. */
int capability_drop_all(struct fault *fault);

#endif
